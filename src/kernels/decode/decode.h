// Rows of stored weights as floats: embedding rows, and what exact products are made from.
#pragma once

#include <cstdint>

#include "kernels/element.h"
#include "kernels/qmm/qmm.h"

namespace pome::kernels {

// A view of floats [rows, columns] of any alignment; owns nothing.
struct DenseMatrix {
  const void* data = nullptr;
  Element type = Element::f32;
  int rows = 0;
  int columns = 0;
};

// Writes elements [begin, begin + count) of a row. Both are multiples of 32 for quantized matrices, where an
// element is scale·code, rounded, + bias, rounded: the bits that MLX's float32 dequantization gives.
// Thread-safe; the same bits on every level.
void decode_row(const QuantizedMatrix& matrix, int row, int begin, int count, float* out);
void decode_row(const DenseMatrix& matrix, int row, int begin, int count, float* out);

}  // namespace pome::kernels
