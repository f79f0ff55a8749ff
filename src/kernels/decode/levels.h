// The levels of decode (row.h says what they do).
#pragma once

#include "kernels/decode/decode.h"

namespace pome::kernels::decode {

#define POME_DECODE_LEVEL(level)                                                               \
  namespace level {                                                                            \
  void affine(const QuantizedMatrix& matrix, int row, int begin, int count, float* out);       \
  void floats(const void* data, Element type, std::int64_t first, int count, float* out);      \
  void e2m1(const std::uint8_t* codes, const float* scales, int group, int count, float* out); \
  void e4m3(const std::uint8_t* codes, const float* scales, int group, int count, float* out); \
  }

POME_DECODE_LEVEL(scalar)
POME_DECODE_LEVEL(avx2)
POME_DECODE_LEVEL(avx512vnni)
POME_DECODE_LEVEL(neondot)

#undef POME_DECODE_LEVEL

}  // namespace pome::kernels::decode
