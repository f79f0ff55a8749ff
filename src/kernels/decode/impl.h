// The walk over a quantized row, for a level that says how a few codes are decoded. To be included behind the
// header of its instructions, whose element() it calls.
//
// Level: codes_at_once, a divisor of 32; decode<Bits>(p, left, scale, bias, out), which decodes so many codes
// at p, of `left` bytes that may be read.
#pragma once

#include "kernels/decode/levels.h"

namespace pome::kernels::decode {
namespace {

template <class Level, int Bits>
void affine_of(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  const std::int64_t row_bytes = matrix.columns / 8 * Bits;
  const std::uint8_t* codes = matrix.codes + row * row_bytes;
  const std::uint8_t* end = matrix.codes + matrix.rows * row_bytes;
  const std::int64_t groups = std::int64_t{row} * (matrix.columns / matrix.group);
  for (int k = begin; k < begin + count; k += Level::codes_at_once, out += Level::codes_at_once) {
    const std::int64_t group = groups + k / matrix.group;
    const std::uint8_t* p = codes + k / 8 * Bits;
    Level::template decode<Bits>(p, end - p, element(matrix.scales, matrix.scale_type, group),
                                 element(matrix.biases, matrix.scale_type, group), out);
  }
}

template <class Level>
void affine_any(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  switch (matrix.bits) {
    case 2:
      return affine_of<Level, 2>(matrix, row, begin, count, out);
    case 3:
      return affine_of<Level, 3>(matrix, row, begin, count, out);
    case 4:
      return affine_of<Level, 4>(matrix, row, begin, count, out);
    case 5:
      return affine_of<Level, 5>(matrix, row, begin, count, out);
    case 6:
      return affine_of<Level, 6>(matrix, row, begin, count, out);
    case 8:
      return affine_of<Level, 8>(matrix, row, begin, count, out);
    default:
      return;
  }
}

}  // namespace
}  // namespace pome::kernels::decode
