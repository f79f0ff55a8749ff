// The levels of decode, one row of functions each.
#pragma once

#include <span>

#include "kernels/decode/decode.h"
#include "kernels/isa.h"

namespace pome::kernels::decode {

struct Row {
  Isa isa;
  void (*affine)(const QuantizedMatrix& matrix, int row, int begin, int count, float* out);
  void (*floats)(const void* data, Element type, std::int64_t first, int count, float* out);
};

// Lowest level first.
std::span<const Row> rows();

}  // namespace pome::kernels::decode
