// The levels of blockfloat, one row of functions each.
#pragma once

#include <span>

#include "kernels/blockfloat/blockfloat.h"
#include "kernels/isa.h"

namespace pome::kernels::blockfloat {

struct Row {
  Isa isa;
  // Row `row` of `to` from x.
  void (*quantize)(const float* x, const Activations& to, int row);
  // Columns [begin, end) of y for all rows of x, stored as words; `scratch` is aligned to 64 and holds what
  // panels_at_once() panels take.
  void (*gemm)(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
               int end, void* scratch);
  // The same for one row of x, stored as dwords; null where gemm serves for that, too.
  void (*gemv)(const BlockFloatMatrix& w, const Activations& x, int row, float* y, int begin, int end);
};

// Lowest level first.
std::span<const Row> rows();
const Row& active_row();

// The parts of activation_format() and multiply() with the level given, for tests and benchmarks.
ActivationFormat activation_format(const Row& row, const BlockFloatMatrix& w, int rows);
void multiply(const Row& row, const BlockFloatMatrix& w, const Activations& x, float* y,
              std::int64_t y_stride, int begin, int end);

}  // namespace pome::kernels::blockfloat
