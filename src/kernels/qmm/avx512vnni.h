// What the AVX-512 files of qmm share, with internal linkage.
#pragma once

#include "kernels/avx512.h"
#include "kernels/qmm/layout.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

using Dword = std::int32_t __attribute__((may_alias));

constexpr int group_dwords = 8;  // in which pairs are found (layout.h)

// An instruction and not an intrinsic: GCC 12 wraps those in two register moves, and clang's machine combiner
// takes some apart into a multiplication and an addition.
[[gnu::always_inline]] inline __m512i add_products(__m512i sums, __m512i codes, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
  return sums;
}

// Byte i: code i of 64, of which the first `count` are there, a multiple of 32. Reads no byte behind those.
template <int Bits>
[[gnu::always_inline]] inline __m512i unpack(const std::uint8_t* p, std::int64_t count) {
  // Each 128-bit lane takes the words that hold its 16 codes; each 16-bit lane the two bytes that hold its
  // pair of codes, which never spread over three.
  alignas(64) static constexpr auto tables = [] {
    struct {
      std::int16_t words[32];
      std::int8_t bytes[64];
      std::int16_t shifts[32];
    } t{};
    for (int lane = 0; lane < 4; ++lane) {
      for (int i = 0; i < 8; ++i) {
        t.words[lane * 8 + i] = static_cast<std::int16_t>((lane * Bits + i) % 32);
        t.bytes[lane * 16 + 2 * i] = static_cast<std::int8_t>(i * 2 * Bits / 8);
        t.bytes[lane * 16 + 2 * i + 1] = static_cast<std::int8_t>(i * 2 * Bits / 8 + 1);
        t.shifts[lane * 8 + i] = static_cast<std::int16_t>(i * 2 * Bits % 8);
      }
    }
    return t;
  }();
  const std::int64_t bytes = count >= 64 ? 8 * Bits : count / 8 * Bits;
  const __m512i packed = _mm512_maskz_loadu_epi8(bytes <= 0 ? 0 : ~0ull >> (64 - bytes), p);
  const __m512i lanes = _mm512_permutexvar_epi16(_mm512_load_si512(tables.words), packed);
  const __m512i pairs = _mm512_srlv_epi16(_mm512_shuffle_epi8(lanes, _mm512_load_si512(tables.bytes)),
                                          _mm512_load_si512(tables.shifts));
  constexpr int mask = (1 << Bits) - 1;
  const __m512i low = _mm512_and_si512(pairs, _mm512_set1_epi16(mask));
  // low | (pairs << (8 - Bits) & high)
  return _mm512_ternarylogic_epi64(low, _mm512_slli_epi16(pairs, 8 - Bits),
                                   _mm512_set1_epi16(static_cast<short>(mask << 8)), 0xf8);
}

// What the activations of a unit are divided by.
struct Divisor {
  float scale;
  float reciprocal;
  bool zero;  // of a unit that counts as zeros, or is not finite
};

inline Divisor divisor_of(const float* values, int unit, int levels) {
  __m512i magnitudes = _mm512_setzero_si512();
  for (int i = 0; i < unit; i += 16) {
    magnitudes = _mm512_max_epu32(
        magnitudes, _mm512_and_si512(_mm512_loadu_si512(values + i), _mm512_set1_epi32(0x7fffffff)));
  }
  const unsigned bits = _mm512_reduce_max_epu32(magnitudes);
  const float largest = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
  const auto most = static_cast<float>(levels);
  if (bits >= 0x7f800000) return {__builtin_nanf(""), 0, true};
  if (largest < smallest_magnitude) return {0, 0, true};
  return {largest / most, most / largest, false};
}

// 32 of them as words; adds them to the sums.
inline __m512i divide(const float* values, const Divisor& by, __m512i& sums) {
  if (by.zero) return _mm512_setzero_si512();
  const __m512 reciprocal = _mm512_set1_ps(by.reciprocal);
  const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values), reciprocal));
  const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values + 16), reciprocal));
  sums = _mm512_add_epi32(sums, _mm512_add_epi32(a, b));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(a)), _mm512_cvtepi32_epi16(b), 1);
}

// The codes of a chunk, one to a byte, in the order of layout.h; zeros behind the first `bytes` bytes.
template <int Bits, bool Full>
[[gnu::always_inline]] inline void load_codes(__m512i* codes, const std::uint8_t* p, std::int64_t bytes) {
  if constexpr (unpacked_first(Bits)) {
    codes[0] = unpack<Bits>(p, Full ? 64 : bytes * 8 / Bits);
  } else {
    const __m512i v = Full ? _mm512_loadu_si512(p)
                           : _mm512_maskz_loadu_epi8(bytes <= 0    ? 0
                                                     : bytes >= 64 ? ~0ull
                                                                   : ~0ull >> (64 - bytes),
                                                     p);
    if constexpr (Bits == 8) {
      codes[0] = v;
    } else {
      const __m512i mask = _mm512_set1_epi8(static_cast<char>((1 << Bits) - 1));
#pragma clang loop unroll(full)
      for (int j = 0; j < 8 / Bits; ++j) {
        codes[j] = _mm512_and_si512(j == 0 ? v : _mm512_srli_epi16(v, static_cast<unsigned>(j * Bits)), mask);
      }
    }
  }
}

// Lane u: the scale or bias of unit u, for the first `units` of 16 or, if `Full`, all of them; `group` counts
// elements from `values`.
template <bool Full>
[[gnu::always_inline]] inline __m512 load_scales(const void* values, Element type, std::int64_t group,
                                                 int units, bool two_per_group) {
  if (Full && !two_per_group) return load_floats(values, type, group);
  const __m512 scales = load_floats(values, type, group, first_lanes(two_per_group ? units / 2 : units));
  if (!two_per_group) return scales;
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), scales);
}

}  // namespace
}  // namespace pome::kernels::qmm::avx512vnni
