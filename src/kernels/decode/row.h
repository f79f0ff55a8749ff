// The levels of decode, one row of functions each.
#pragma once

#include <span>

#include "kernels/decode/decode.h"
#include "kernels/isa.h"

namespace pome::kernels::decode {

struct Row {
  Isa isa;
  // decode_row() of a quantized matrix.
  void (*affine)(const QuantizedMatrix& matrix, int row, int begin, int count, float* out);
  // Elements first … first + count - 1 of stored floats.
  void (*floats)(const void* data, Element type, std::int64_t first, int count, float* out);
  // out[i] = scales[i / group] · value of code i. Codes of 4 bits (E2M1, two to a byte, low half first) or of
  // 8 (E4M3, no infinities); group and count are multiples of 16.
  void (*e2m1)(const std::uint8_t* codes, const float* scales, int group, int count, float* out);
  void (*e4m3)(const std::uint8_t* codes, const float* scales, int group, int count, float* out);
};

// Lowest level first.
std::span<const Row> rows();
const Row& active_row();

}  // namespace pome::kernels::decode
