// What is computed row by row.
#include <algorithm>

#include "graph/cpu/run.h"
#include "kernels/recurrence/recurrence.h"

namespace pome::graph::cpu {
namespace {

kernels::Parameters from(kernels::Parameters parameters, int first) {
  if (parameters.data == nullptr) return parameters;
  parameters.data =
      static_cast<const std::byte*>(parameters.data) + std::int64_t{first} * element_bytes(parameters.type);
  return parameters;
}

// Runs that meet the same weights, for each run of weights there is.
void run_norm(const RowOp& op, const float* a, float* out) {
  const int period = op.index;
  for (int first = 0; first < period; first += op.run) {
    const kernels::Runs runs = {op.out.width / period, op.run, period, period};
    const kernels::Parameters weight = from(op.weight, first), bias = from(op.bias, first);
    if (op.kind == RowKind::rms_norm) {
      kernels::rms_norm(runs, a + first, weight, op.factor, out + first);
    } else {
      kernels::layer_norm(runs, a + first, weight, bias, op.factor, out + first);
    }
  }
}

void run_pair(const RowOp& op, const float* a, const float* b, float* out) {
  const int width = op.out.width, run = width / op.b.width;
  if (run == 1) {
    op.kind == RowKind::add ? kernels::add(a, b, out, width) : kernels::multiply(a, b, out, width);
    return;
  }
  for (int i = 0; i < op.b.width; ++i, a += run, out += run) {
    if (op.kind == RowKind::multiply) {
      kernels::scale(a, b[i], out, run);
      continue;
    }
    for (int k = 0; k < run; ++k) out[k] = a[k] + b[i];
  }
}

void run_parameter(const RowOp& op, const float* a, float* out) {
  constexpr int piece = 256;  // decoded at once
  const int period = op.index;
  const kernels::DenseMatrix stored = {op.weight.data, op.weight.type, 1, period};
  float values[piece];
  for (int begin = 0; begin < period; begin += piece) {
    const int count = std::min(piece, period - begin);
    kernels::decode_row(stored, 0, begin, count, values);
    for (int i = begin; i < op.out.width; i += period) {
      if (op.kind == RowKind::add_parameter) {
        kernels::add(a + i, values, out + i, count);
      } else {
        kernels::multiply(a + i, values, out + i, count);
      }
    }
  }
}

}  // namespace

void Executor::run_row_op(const RowOp& op, int begin, int end) {
  if (op.kind == RowKind::quantize) return quantize(op, begin, end);
  if (op.kind == RowKind::rope) return run_rope(op, begin, end);
  for (int row = begin; row < end; ++row) {
    const auto r = static_cast<std::size_t>(row);
    const float* a = op.a.exists() ? at(op.a, row) : nullptr;
    const float* b = op.b.exists() ? at(op.b, row) : nullptr;
    float* out = op.out.exists() ? at(op.out, row) : nullptr;
    const int width = op.out.width;
    switch (op.kind) {
      case RowKind::route: {
        const Router& router = program_->routers[static_cast<std::size_t>(op.index)];
        kernels::RouteSpec spec = router.spec;
        if (!router.correction.empty()) spec.correction = router.correction.data();
        if (!router.expert_scale.empty()) spec.expert_scale = router.expert_scale.data();
        kernels::route(spec, a, out);
        break;
      }
      case RowKind::embed:
        decode_row(program_->tables[static_cast<std::size_t>(op.index)], step_->tokens[r], out);
        break;
      case RowKind::gather:
        std::copy_n(at(op.a, step_->out_rows[r]), width, out);
        break;
      case RowKind::copy:
        std::copy_n(a, width, out);
        break;
      case RowKind::copy_runs:
        for (int i = 0; i < width / op.run; ++i) std::copy_n(a + i * op.step, op.run, out + i * op.out_step);
        break;
      case RowKind::rms_norm:
      case RowKind::layer_norm:
        run_norm(op, a, out);
        break;
      case RowKind::store: {
        CpuCache& cache = *caches_[static_cast<std::size_t>(segments_[r])];
        cache.store(op.index, positions_[r], op.first_column / op.run, op.a.width / op.run, a, b);
        break;
      }
      case RowKind::add:
      case RowKind::multiply:
        run_pair(op, a, b, out);
        break;
      case RowKind::add_parameter:
      case RowKind::multiply_parameter:
        run_parameter(op, a, out);
        break;
      case RowKind::scale:
        kernels::scale(a, op.factor, out, width);
        break;
      case RowKind::position_scale:
        kernels::scale(a, factor_at(op.position_scale, positions_[r]), out, width);
        break;
      case RowKind::decay:
        kernels::decay(a, op.weight, out, width);
        break;
      case RowKind::clamp:
        kernels::clamp(op.factor, op.other, a, out, width);
        break;
      case RowKind::soft_cap:
        kernels::scale(a, 1 / op.factor, out, width);
        kernels::activate(kernels::UnaryKind::tanh, out, out, width);
        kernels::scale(out, op.factor, out, width);
        break;
      case RowKind::activate:
        kernels::activate(op.activation, a, out, width);
        break;
      case RowKind::xielu:
        kernels::xielu(op.xielu, a, out, width);
        break;
      case RowKind::clamped_swiglu:
        kernels::clamped_swiglu(op.factor, op.other, a, b, out, width);
        break;
      case RowKind::activate_gated:
        kernels::activate_gated(op.activation, a, b, out, width);
        break;
      case RowKind::rope:
      case RowKind::quantize:
        break;  // taken care of above
    }
  }
}

void Executor::quantize(const RowOp& op, int begin, int end) {
  const kernels::Activations to = activations(op.index);
  if (op.a.width == to.columns) {
    kernels::quantize_activations(at(op.a, 0), op.a.stride, to, begin, end);
    return;
  }
  for (int row = begin; row < end; ++row) {
    kernels::quantize_columns(at(op.a, row), to, row, op.first_column, op.first_column + op.a.width);
  }
}

void Executor::run_rope(const RowOp& op, int begin, int end) {
  const auto index = static_cast<std::size_t>(op.index);
  const Rope& rope = program_->ropes[index];
  const std::vector<float>& table = tables_[index];
  const auto pairs = static_cast<std::size_t>(rope.dims / 2);
  for (int row = begin; row < end; ++row) {
    const float* cos = table.data() + static_cast<std::size_t>(row) * pairs;
    kernels::rope({.heads = op.out.width / rope.head_dim,
                   .head_dim = rope.head_dim,
                   .dims = rope.dims,
                   .interleaved = rope.interleaved,
                   .cos = cos,
                   .sin = cos + table.size() / 2},
                  at(op.out, row));
  }
}

}  // namespace pome::graph::cpu
