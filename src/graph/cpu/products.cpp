// Products by stored matrices, and what belongs behind them: adapters, bias, residual.
#include <algorithm>

#include "graph/cpu/run.h"

namespace pome::graph::cpu {
namespace {

constexpr int piece = 256;  // floats decoded at once

}  // namespace

void Executor::run_products(const Phase& phase) {
  adapted_.resize(std::max(adapted_.size(), phase.products.size()));
  for (std::size_t i = 0; i < phase.products.size(); ++i) {
    if (find_adapters(phase, phase.products[i], adapted_[i])) project(phase, adapted_[i]);
  }
  pool_.run(
      static_cast<std::int64_t>(phase.chunks.size()), 1,
      [&](std::int64_t i, std::int64_t, int) { run_chunk(phase, phase.chunks[static_cast<std::size_t>(i)]); },
      phase.soon);
}

void Executor::run_chunk(const Phase& phase, const Chunk& chunk) {
  for (int i = chunk.product; i < chunk.product + chunk.products; ++i) {
    run_product(phase, i, chunk.begin, chunk.end);
  }
  const int width = phase.products[static_cast<std::size_t>(chunk.product)].out.width;
  for (const RowOp& op : phase.ops) {
    run_row_op(op.columns(chunk.begin, chunk.end, width), 0, program_->shape.count(phase.rows));
  }
}

void Executor::run_product(const Phase& phase, int index, int begin, int end) {
  const Product& product = phase.products[static_cast<std::size_t>(index)];
  const int rows = program_->shape.count(phase.rows);
  float* y = at(product.out, 0);
  if (product.activations >= 0) {
    multiply(product.matrix, activations(product.activations), y, product.out.stride, begin, end);
  } else {
    multiply(product.matrix, at(phase.input, 0), phase.input.stride, rows, y, product.out.stride, begin, end);
  }

  apply(adapted_[static_cast<std::size_t>(index)], begin, end, product.out);
  const int count = end - begin;
  for (int row = 0; row < rows; ++row) {
    float* out = at(product.out, row) + begin;
    if (product.bias.data != nullptr) {
      add_stored({product.bias.data, product.bias.type, 1, product.out.width}, 0, begin, count, 1, out);
    }
    if (product.residual.exists()) {
      kernels::add(out, at(product.residual, row) + begin, out, count);
    }
  }
}

bool Executor::find_adapters(const Phase& phase, const Product& product, Adapted& adapted) const {
  adapted.rank = 0;
  if (product.linear->adapters.empty()) return false;
  const int rows = program_->shape.count(phase.rows);
  adapted.rows.assign(static_cast<std::size_t>(rows), nullptr);
  for (int row = 0; row < rows; ++row) {
    const int step_row = phase.rows == RowSet::all ? row : step_->out_rows[static_cast<std::size_t>(row)];
    const auto segment = static_cast<std::size_t>(segments_[static_cast<std::size_t>(step_row)]);
    const auto entry = product.linear->adapters.find(step_->segments[segment].adapter);
    if (entry == product.linear->adapters.end()) continue;
    adapted.rows[static_cast<std::size_t>(row)] = &entry->second;
    adapted.rank = std::max(adapted.rank, static_cast<int>(entry->second.a.shape.at(1)));
  }
  return adapted.rank > 0;
}

// inner = x·a for every adapted row. Neighbouring rows share the decoding of a.
void Executor::project(const Phase& phase, Adapted& adapted) {
  const auto rank = static_cast<std::size_t>(adapted.rank);
  adapted.inner.assign(adapted.rows.size() * rank, 0.0F);
  const auto rows = static_cast<std::int64_t>(adapted.rows.size());
  pool_.run(rows, std::clamp<std::int64_t>(rows / (2 * pool_.size()), 1, 32),
            [&](std::int64_t begin, std::int64_t end, int) {
              for (std::int64_t first = begin, last = begin; first < end; first = last) {
                const LowRank* low_rank = adapted.rows[static_cast<std::size_t>(first)];
                while (last < end && adapted.rows[static_cast<std::size_t>(last)] == low_rank) ++last;
                if (low_rank == nullptr) continue;
                const kernels::DenseMatrix a = dense_matrix(low_rank->a);
                for (int k = 0; k < a.rows; ++k) {
                  for (std::int64_t row = first; row < last; ++row) {
                    const float x = at(phase.input, static_cast<int>(row))[k];
                    add_stored(a, k, 0, a.columns, x,
                               adapted.inner.data() + static_cast<std::size_t>(row) * rank);
                  }
                }
              }
            });
}

void Executor::apply(const Adapted& adapted, int first, int last, const View& out) {
  if (adapted.rank == 0) return;
  float factors[piece];
  for (std::size_t row = 0; row < adapted.rows.size(); ++row) {
    const LowRank* low_rank = adapted.rows[row];
    if (low_rank == nullptr) continue;
    float* y = at(out, static_cast<int>(row));
    const kernels::DenseMatrix b = dense_matrix(low_rank->b);
    const float* inner = adapted.inner.data() + row * static_cast<std::size_t>(adapted.rank);
    for (int begin = first; begin < last; begin += piece) {
      const int count = std::min(piece, last - begin);
      for (int k = 0; k < b.rows; ++k) add_stored(b, k, begin, count, low_rank->scale * inner[k], y + begin);
      if (!low_rank->row_scale) continue;
      const kernels::Parameters scale = parameters(*low_rank->row_scale);
      kernels::decode_row(kernels::DenseMatrix{scale.data, scale.type, 1, out.width}, 0, begin, count,
                          factors);
      kernels::multiply(y + begin, factors, y + begin, count);
    }
  }
}

}  // namespace pome::graph::cpu
