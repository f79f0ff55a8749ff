// The levels of qmm, one row of functions each.
#pragma once

#include <span>

#include "kernels/isa.h"
#include "kernels/qmm/qmm.h"

namespace pome::kernels::qmm {

// Rows and columns as in qmm.h; gemv computes row `row` of x, gemm all of them. Both give the same bits.
struct Row {
  Isa isa;
  Storage standard, fast;            // what gemv multiplies
  Storage rows_standard, rows_fast;  // what gemm does
  int panel_rows;
  void (*quantize)(const float* x, const Activations& to, int row);
  void (*gemv)(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end);
  // Any number of rows where they are stored unit by unit. scratch: room for panels_at_once() panels
  // (layout.h), aligned to 64.
  void (*gemm)(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
               int end, void* scratch);
};

// Lowest level first.
std::span<const Row> rows();

// The format that a level wants, and the parts of multiply() and quantize_activations() with the level given,
// for tests and benchmarks.
ActivationFormat activation_format(const Row& row, const QuantizedMatrix& matrix, Precision precision,
                                   int rows);
void quantize(const Row& row, const float* x, std::int64_t x_stride, const Activations& to, int begin,
              int end);
void multiply(const Row& row, const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride,
              int begin, int end);

}  // namespace pome::kernels::qmm
