// The functions of each level (row.h says what they do), and how x is stored.
//
// As words (Storage::block_words): in natural order, but the units of a row in the order in which gemm adds
// them up (place_of in qmm/layout.h); dwords 0 and 1, 3 and 4, 6 and 7 of every eight are pairs as explained
// there. As dwords (Storage::block_dwords): unit by unit, of interleave 2 its even elements and then its odd
// ones. Scales and pair products stand unit by unit.
#pragma once

#include "kernels/blockfloat/blockfloat.h"
#include "kernels/qmm/layout.h"

namespace pome::kernels::blockfloat {

using Stored = BlockFloatMatrix::Stored;
using qmm::counter_order;
using qmm::place_of;
using qmm::smallest_magnitude;
using qmm::units_per_block;

inline constexpr int unit = 32;
inline constexpr int block = unit * units_per_block;
inline constexpr int unit_dwords = unit / 2;

// |q| ≤ largest_x and Σ |q| < 2^17; |w'| ≤ 2^14, and so both of a pair's sums are words.
inline constexpr float largest_x = 16383, largest_sum = 131040;
inline constexpr float sum_unit =
    0x1p-17f;  // what |x| is multiplied by before it is summed, lest it overflow
inline constexpr int weight_bits = 13;

// Weights that share an exponent.
inline constexpr int exponent_units = 4;
inline constexpr int exponent_weights = exponent_units * unit;

// By the exponent e, as float32 has it, of the largest of them: what they are multiplied by, 2^(13 - E).
// Those with lower exponents than the least count as zeros.
inline constexpr int least_exponent = weight_bits + 1;
static constexpr std::uint32_t multiplier_bits(int e) {
  return e < least_exponent ? 0 : static_cast<std::uint32_t>(2 * 127 + weight_bits - e) << 23;
}
// And what the integers then mean: 2^(E - 13).
static constexpr std::uint32_t meaning_bits(int e) {
  return e < least_exponent ? 0 : static_cast<std::uint32_t>(e - weight_bits) << 23;
}

// E4M3 of normal numbers is not below.
inline constexpr int least_e4m3_exponent = 127 - 6;

constexpr int stored_bytes(Stored stored) { return stored == Stored::e4m3 ? 1 : 2; }

// What a unit of x is divided by.
struct Divisor {
  float scale;       // as it is stored
  float reciprocal;  // of the divisor
  bool zero;         // of a unit that counts as zeros, or is not finite
};

// From the bits of the largest |x|, and Σ |x|·sum_unit, added up by halves.
static constexpr Divisor divisor_of(unsigned bits, float sum) {
  const float largest = __builtin_bit_cast(float, bits);
  if (bits >= 0x7f800000) return {__builtin_nanf(""), 0, true};
  if (largest < smallest_magnitude) return {0, 0, true};
  const float by_largest = largest * (1 / largest_x), by_sum = sum * (1 / (largest_sum * sum_unit));
  const float scale = by_largest > by_sum ? by_largest : by_sum;
  return {scale, 1 / scale, false};
}

// A panel: 32 rows of W as integers. words[place][dword][row], scales and pair products [place][row].
inline constexpr int panel_rows = 32;
static constexpr std::int64_t panel_bytes(const Activations& x) {
  return std::int64_t{panel_rows} * x.units * (unit * 2 + 8);
}

#define POME_BLOCKFLOAT_LEVEL(level)                                                                     \
  namespace level {                                                                                      \
  void quantize(const float* x, const Activations& to, int row);                                         \
  void gemm(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, \
            int end, void* scratch);                                                                     \
  }

POME_BLOCKFLOAT_LEVEL(scalar)
POME_BLOCKFLOAT_LEVEL(avx2)
POME_BLOCKFLOAT_LEVEL(avx512vnni)
POME_BLOCKFLOAT_LEVEL(neondot)

namespace avx512vnni {
void gemv(const BlockFloatMatrix& w, const Activations& x, int row, float* y, int begin, int end);
}

#undef POME_BLOCKFLOAT_LEVEL

}  // namespace pome::kernels::blockfloat
