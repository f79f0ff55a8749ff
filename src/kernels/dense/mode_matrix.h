// Weights in any of quant's modes, for float32 products and embedding rows: the mode itself decodes them, so
// a mode needs no kernel of its own to run. (Affine weights have faster ones: QuantizedMatrix; 4-bit
// floats too: fp4/fp4.h.)
#pragma once

#include <cstddef>

#include "base/dtype.h"
#include "kernels/dense/dense.h"
#include "quant/mode.h"

namespace pome::kernels {

// A view of a matrix's tensors (quant/mode.h), of any alignment; owns nothing.
struct ModeMatrix {
  const quant::Mode* mode = nullptr;
  const std::byte* codes = nullptr;
  const std::byte* scales = nullptr;
  const std::byte* biases = nullptr;  // null where the mode has none
  Dtype scale_dtype = Dtype::u8;
  int bits = 0;
  int group = 0;
  int rows = 0;
  int columns = 0;  // a multiple of group
};

// Elements [begin, begin + count) of a row, both multiples of group. Thread-safe.
void decode_row(const ModeMatrix& matrix, int row, int begin, int count, float* out);

// `matrix` must outlive the view.
DecodedMatrix decoded(const ModeMatrix& matrix);

}  // namespace pome::kernels
