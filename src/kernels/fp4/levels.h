// The functions of each level (row.h says what they do), and the order in which x is stored: for every 128
// elements ("chunk") one byte of each of the even elements, then of the odd ones, where q has 16 bits their
// high bytes first and then the low ones (q = 256·high + low, both signed). Its scales and sums are by eights
// of elements: d/2, and -12·Σ q, since codes become 2w + 12, which is never negative.
#pragma once

#include "kernels/fp4/fp4.h"

namespace pome::kernels::fp4 {

inline constexpr int chunk = 128;
inline constexpr int group_of_x = 32;
inline constexpr int offset = 12;

// 2·E2M1(code) + offset.
inline constexpr std::uint8_t table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

// Below this largest magnitude a group counts as zeros, since its reciprocal would overflow.
inline constexpr float smallest_magnitude = 0x1p-100f;

#define POME_FP4_LEVEL(level)                                                                         \
  namespace level {                                                                                   \
  void quantize(const float* x, const Activations& to, int row);                                      \
  void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, \
                int end);                                                                             \
  }

POME_FP4_LEVEL(scalar)
POME_FP4_LEVEL(avx2)
POME_FP4_LEVEL(avxvnni)
POME_FP4_LEVEL(avx512vl)
POME_FP4_LEVEL(avx512vnni)
POME_FP4_LEVEL(neondot)

#undef POME_FP4_LEVEL

}  // namespace pome::kernels::fp4
