// Products by a matrix per head, and experts at work on the rows that chose them.
#include <algorithm>

#include "graph/cpu/run.h"

namespace pome::graph::cpu {
namespace {

// Columns [begin, end) of y = x·Wᵀ for `rows` rows: quantized ones, or floats.
void multiply_by(const StoredMatrix& matrix, const kernels::Activations* quantized, const float* x,
                 std::int64_t x_stride, int rows, float* y, std::int64_t y_stride, int begin, int end) {
  if (quantized != nullptr) return multiply(matrix, *quantized, y, y_stride, begin, end);
  multiply(matrix, x, x_stride, rows, y, y_stride, begin, end);
}

}  // namespace

void Executor::run_heads(const Phase& phase) {
  const HeadProducts& work = phase.heads;
  const int rows = program_->shape.count(phase.rows);
  const int in = phase.input.width / work.heads, out = phase.out.width / work.heads;
  kernels::Activations all;
  if (work.activations >= 0) {
    all = activations(work.activations);
    pool_.run(std::int64_t{work.heads} * rows, 4, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* x = at(phase.input, static_cast<int>(i % rows)) + i / rows * in;
        quantize_activations(x, 0, slice(all, static_cast<int>(i), static_cast<int>(i) + 1), 0, 1);
      }
    });
  }
  constexpr int columns = 64;
  const int pieces = (out + columns - 1) / columns;
  work_.weight_bytes += static_cast<std::uint64_t>(work.heads * row_bytes(work.matrix) * out);
  pool_.run(std::int64_t{work.heads} * pieces, 1, [&](std::int64_t index, std::int64_t, int) {
    const auto head = static_cast<int>(index / pieces);
    const int begin = static_cast<int>(index % pieces) * columns;
    const StoredMatrix matrix = rows_of(work.matrix, std::int64_t{head} * work.rows + work.first, out);
    kernels::Activations part;
    if (work.activations >= 0) part = slice(all, head * rows, (head + 1) * rows);
    multiply_by(matrix, work.activations >= 0 ? &part : nullptr, at(phase.input, 0) + head * in,
                phase.input.stride, rows, at(phase.out, 0) + head * out, phase.out.stride, begin,
                std::min(begin + columns, out));
  });
}

void Executor::run_experts(const Phase& phase) {
  const ExpertsWork& work = program_->experts[static_cast<std::size_t>(phase.experts)];
  const int rows = program_->shape.count(phase.rows), pairs = rows * work.chosen;
  group_by_expert(work, rows);
  const auto for_each = [&](int count, auto&& what) {
    pool_.run(count, std::clamp(count / (4 * pool_.size()), 1, 16),
              [&](std::int64_t begin, std::int64_t end, int) {
                for (std::int64_t i = begin; i < end; ++i) what(static_cast<int>(i));
              });
  };
  if (!work.one_row || work.gate_activations >= 0 || work.up_activations >= 0) {
    for_each(work.one_row ? 1 : pairs, [&](int pair) { take_input(phase, work, pair); });
  }
  const View x = work.gathered.exists() ? work.gathered : phase.input;
  View up = work.hidden;
  up.column += work.inner;
  const ExpertProduct first[] = {{&work.gate, work.gate_activations, x, work.one_row, work.hidden},
                                 {&work.up, work.up_activations, x, work.one_row, up}};
  const ExpertProduct second[] = {{&work.down, work.down_activations, work.products, false, work.outputs}};
  if (work.by_columns)
    return run_by_columns(phase, work, std::span(first).first(work.up.exists() ? 2 : 1), second[0]);
  multiply_pairs(work, std::span(first).first(work.up.exists() ? 2 : 1), {});
  for_each(pairs, [&](int pair) { activate_pair(work, pair, 0, work.inner); });
  multiply_pairs(work, second, phase.soon);
  for_each(rows, [&](int row) { add_up(phase, work, row, 0, phase.out.width); });
}

// Whoever computes columns of gate and up makes of them what down reads, and whoever computes columns of
// down, of all experts, adds them up.
void Executor::run_by_columns(const Phase& phase, const ExpertsWork& work,
                              std::span<const ExpertProduct> first, const ExpertProduct& second) {
  for (const ExpertProduct& product : first) count_bytes(product);
  count_bytes(second);
  const int rows = program_->shape.count(phase.rows), width = phase.out.width;
  constexpr int columns = ExpertsWork::columns;
  const int pieces = (work.inner + columns - 1) / columns;
  pool_.run(static_cast<std::int64_t>(busy_.size()) * pieces, 1, [&](std::int64_t index, std::int64_t, int) {
    const int expert = busy_[static_cast<std::size_t>(index / pieces)];
    const int begin = static_cast<int>(index % pieces) * columns, end = std::min(begin + columns, work.inner);
    for (const ExpertProduct& product : first) {
      multiply_pairs_of(work, product, expert, begin, end);
      if (work.fused == Experts::Fused::halves) {
        multiply_pairs_of(work, product, expert, work.inner + begin, work.inner + end);
      }
    }
    const auto e = static_cast<std::size_t>(expert);
    for (int pair = pair_begins_[e]; pair < pair_begins_[e + 1]; ++pair)
      activate_pair(work, pair, begin, end);
  });
  const auto add_columns = [&](std::int64_t first_column, std::int64_t last_column, int) {
    const int begin = static_cast<int>(first_column), end = static_cast<int>(last_column);
    for (const std::int32_t expert : busy_) multiply_pairs_of(work, second, expert, begin, end);
    for (int row = 0; row < rows; ++row) add_up(phase, work, row, begin, end);
  };
  pool_.run(width, columns / 2, add_columns, phase.soon);
}

// Pairs of one expert lie next to each other, in the order of their rows.
void Executor::group_by_expert(const ExpertsWork& work, int rows) {
  const auto expert_at = [&](int row, int choice) {
    return std::clamp(static_cast<int>(at(work.routes, row)[choice]), 0, work.count - 1);
  };
  pair_begins_.assign(static_cast<std::size_t>(work.count) + 1, 0);
  for (int row = 0; row < rows; ++row) {
    for (int k = 0; k < work.chosen; ++k) ++pair_begins_[static_cast<std::size_t>(expert_at(row, k)) + 1];
  }
  busy_.clear();
  for (std::size_t e = 0; e < static_cast<std::size_t>(work.count); ++e) {
    if (pair_begins_[e + 1] > 0) busy_.push_back(static_cast<std::int32_t>(e));
    pair_begins_[e + 1] += pair_begins_[e];
  }
  pair_rows_.resize(static_cast<std::size_t>(rows * work.chosen));
  pair_of_.resize(pair_rows_.size());
  // Counting up in place turns every begin into the next one's; they are set back afterwards.
  for (int row = 0; row < rows; ++row) {
    for (int k = 0; k < work.chosen; ++k) {
      const std::int32_t pair = pair_begins_[static_cast<std::size_t>(expert_at(row, k))]++;
      pair_rows_[static_cast<std::size_t>(pair)] = row;
      pair_of_[static_cast<std::size_t>(row * work.chosen + k)] = pair;
    }
  }
  std::copy_backward(pair_begins_.begin(), pair_begins_.end() - 1, pair_begins_.end());
  pair_begins_[0] = 0;
}

void Executor::take_input(const Phase& phase, const ExpertsWork& work, int pair) {
  const int row = pair_rows_[static_cast<std::size_t>(pair)];
  const float* x = at(phase.input, row);
  if (work.gathered.exists()) {
    float* gathered = at(work.gathered, pair);
    float weight = 1;
    for (int k = 0; k < work.chosen && work.weigh_inputs; ++k) {
      if (pair_of_[static_cast<std::size_t>(row * work.chosen + k)] == pair) {
        weight = at(work.routes, row)[work.chosen + k];
      }
    }
    kernels::scale(x, weight, gathered, work.gathered.width);
    x = gathered;
  }
  const auto quantize = [&](int index) {
    quantize_activations(x, 0, slice(activations(index), pair, pair + 1), 0, 1);
  };
  if (work.gate_activations >= 0) quantize(work.gate_activations);
  if (work.up_activations >= 0 && work.up_activations != work.gate_activations) quantize(work.up_activations);
}

void Executor::count_bytes(const ExpertProduct& product) {
  work_.weight_bytes += busy_.size() * static_cast<std::uint64_t>(product.matrices->rows() *
                                                                  row_bytes(product.matrices->first()));
}

// Cut fine, since experts differ much in rows.
void Executor::multiply_pairs(const ExpertsWork& work, std::span<const ExpertProduct> products,
                              std::span<const Stretches> soon) {
  constexpr int columns = ExpertsWork::columns;
  int pieces = 0;
  for (const ExpertProduct& product : products) {
    pieces += (product.matrices->rows() + columns - 1) / columns;
    count_bytes(product);
  }
  const auto run_piece = [&](std::int64_t index, std::int64_t, int) {
    int piece = static_cast<int>(index % pieces);
    const ExpertProduct* product = products.data();
    for (int own; piece >= (own = (product->matrices->rows() + columns - 1) / columns); ++product)
      piece -= own;
    const int begin = piece * columns, end = std::min(begin + columns, product->matrices->rows());
    multiply_pairs_of(work, *product, busy_[static_cast<std::size_t>(index / pieces)], begin, end);
  };
  pool_.run(static_cast<std::int64_t>(busy_.size()) * pieces, 1, run_piece, soon);
}

// Columns [begin, end) for the pairs of one expert.
void Executor::multiply_pairs_of(const ExpertsWork& work, const ExpertProduct& product, int expert, int begin,
                                 int end) {
  const int first = pair_begins_[static_cast<std::size_t>(expert)];
  const int last = pair_begins_[static_cast<std::size_t>(expert) + 1];
  const int source = product.one_row ? 0 : first;
  kernels::Activations part;
  const bool quantized = product.activations >= 0;
  if (quantized) part = slice(activations(product.activations), source, source + last - first);
  multiply_by(product.matrices->at(expert), quantized ? &part : nullptr, at(product.floats, source),
              product.floats.stride, last - first, at(product.out, first), product.out.stride, begin, end);
  if (!product.matrices->bias()) return;
  const kernels::Parameters& bias = *product.matrices->bias();
  const kernels::DenseMatrix stored = {bias.data, bias.type, work.count, product.matrices->rows()};
  for (int pair = first; pair < last; ++pair) {
    add_stored(stored, expert, begin, end - begin, 1, at(product.out, pair) + begin);
  }
}

// Elements [begin, end) of what down reads; all of them where gate and up alternate.
void Executor::activate_pair(const ExpertsWork& work, int pair, int begin, int end) {
  const float* hidden = at(work.hidden, pair) + begin;
  float* out = at(work.products, pair) + begin;
  const int count = end - begin;
  const auto gate = [&](const float* g, const float* u, float* to, int count) {
    if (work.gating.limit > 0) {
      kernels::clamped_swiglu(work.gating.limit, work.gating.alpha, g, u, to, count);
    } else {
      kernels::activate_gated(work.activation, g, u, to, count);
    }
  };
  if (work.fused == Experts::Fused::alternating) {
    constexpr int piece = 256;
    float g[piece], u[piece];
    for (int i = 0; i < work.inner; i += piece) {
      const int at_once = std::min(piece, work.inner - i);
      for (int k = 0; k < at_once; ++k) {
        g[k] = hidden[2 * (i + k)];
        u[k] = hidden[2 * (i + k) + 1];
      }
      gate(g, u, out + i, at_once);
    }
  } else if (work.hidden.width > work.inner) {
    gate(hidden, hidden + work.inner, out, count);
  } else {
    kernels::activate(work.activation, hidden, out, count);
  }
  if (work.down_activations < 0) return;
  const kernels::Activations to = activations(work.down_activations);
  if (count < work.inner) return quantize_columns(out, to, pair, begin, end);
  quantize_activations(out, 0, slice(to, pair, pair + 1), 0, 1);
}

// Columns [begin, end), in the order of a row's choices, whatever other rows there are.
void Executor::add_up(const Phase& phase, const ExpertsWork& work, int row, int begin, int end) {
  float* out = at(phase.out, row);
  for (int k = 0; k < work.chosen; ++k) {
    const float* y = at(work.outputs, pair_of_[static_cast<std::size_t>(row * work.chosen + k)]);
    const float weight = work.weigh_inputs ? 1.0F : at(work.routes, row)[work.chosen + k];
    if (k == 0) {
      kernels::scale(y + begin, weight, out + begin, end - begin);
      continue;
    }
    for (int i = begin; i < end; ++i) out[i] += weight * y[i];
  }
}

}  // namespace pome::graph::cpu
