#include "kernels/qmm/experts.h"

#include <algorithm>
#include <cstring>

#include "base/thread_pool.h"

namespace pome::kernels {
namespace {

void* row_of(const Activations& x, int row) {
  return static_cast<std::uint8_t*>(x.q) + row * x.stride * x.format.element_bytes();
}

}  // namespace

QuantizedMatrix expert(const QuantizedMatrix& stack, int index) {
  QuantizedMatrix matrix = stack;
  const std::int64_t rows = std::int64_t{index} * stack.rows;
  const std::int64_t scales = rows * (stack.columns / stack.group) * element_bytes(stack.scale_type);
  matrix.codes += rows * (stack.columns / 8 * stack.bits);
  matrix.scales = static_cast<const std::uint8_t*>(stack.scales) + scales;
  matrix.biases = static_cast<const std::uint8_t*>(stack.biases) + scales;
  return matrix;
}

Activations slice(const Activations& x, int begin, int end) {
  Activations part = x;
  part.rows = end - begin;
  part.q = row_of(x, begin);
  part.scale += std::int64_t{begin} * x.units;
  part.sum += std::int64_t{begin} * x.units;
  return part;
}

void gather(const Activations& from, const std::int32_t* rows, const Activations& to) {
  const auto q_bytes =
      static_cast<std::size_t>(std::int64_t{from.units} * from.format.unit * from.format.element_bytes());
  const auto units = static_cast<std::size_t>(from.units);
  for (int i = 0; i < to.rows; ++i) {
    const std::int64_t source = std::int64_t{rows[i]} * from.units, target = std::int64_t{i} * to.units;
    std::memcpy(row_of(to, i), row_of(from, rows[i]), q_bytes);
    std::copy_n(from.scale + source, units, to.scale + target);
    std::copy_n(from.sum + source, units, to.sum + target);
  }
}

void multiply_experts(ThreadPool& pool, const QuantizedMatrix& stack, int experts,
                      const std::int32_t* offsets, const Activations& x, float* y, std::int64_t y_stride) {
  // Pieces of 64 columns: experts differ much in rows, so the work is cut fine.
  constexpr int columns = 64;
  const int pieces = (stack.rows + columns - 1) / columns;
  pool.run(std::int64_t{experts} * pieces, 1, [&](std::int64_t index, std::int64_t, int) {
    const auto e = static_cast<int>(index / pieces);
    if (offsets[e] == offsets[e + 1]) return;
    const auto begin = static_cast<int>(index % pieces) * columns;
    multiply(expert(stack, e), slice(x, offsets[e], offsets[e + 1]), y + offsets[e] * y_stride, y_stride,
             begin, std::min(begin + columns, stack.rows));
  });
}

}  // namespace pome::kernels
