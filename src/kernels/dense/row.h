// The levels of dense, one row of functions each.
#pragma once

#include <span>

#include "kernels/dense/dense.h"
#include "kernels/dense/levels.h"
#include "kernels/isa.h"

namespace pome::kernels::dense {

struct Row {
  Isa isa;
  // y[m, n] += the panel's block of x[m]·W[n]; x points to the block's first element of row 0.
  void (*add_panel)(const Panel& panel, const float* x, std::int64_t x_stride, int rows, float* y,
                    std::int64_t y_stride);
  // y[n] = x·W[n] for n in [begin, end), straight from the stored floats.
  void (*gemv)(const DenseMatrix& w, const float* x, float* y, int begin, int end);
};

// Lowest level first.
std::span<const Row> rows();

// Products of bfloat16. The scalar twin is there to define and to test; a processor without the instructions
// is better off with floats.
struct Bf16Row {
  Isa isa;
  // Row `row` of `to` from x, with zeros behind K up to a multiple of 32.
  void (*round)(const float* x, const Activations& to, int row);
  // Columns [begin, end) of y for all rows of x.
  void (*multiply)(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
                   int end);
};
std::span<const Bf16Row> bf16_rows();
// Units have no scale here: sixteen of them are what one register takes.
inline constexpr ActivationFormat bf16_format = {2, 1, 0, Storage::bf16};

// The parts of multiply() with the level given, for tests and benchmarks.
void multiply(const Row& row, const DecodedMatrix& w, const float* x, std::int64_t x_stride, int rows,
              float* y, std::int64_t y_stride, int begin, int end);
void multiply(const Row& row, const DenseMatrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end);

}  // namespace pome::kernels::dense
