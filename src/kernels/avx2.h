// What the files of 256-bit levels share, with internal linkage.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/element.h"

namespace pome::kernels {
namespace {

// sums + the products of two words, or of four bytes (those of a unsigned), per dword. AVX-VNNI and AVX-512
// VNNI have one instruction each for it, in different encodings; bytes are for these alone
// (POME_BYTE_PRODUCTS).
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
#define POME_BYTE_PRODUCTS
#if defined(__AVXVNNI__)
inline __m256i add_word_products(__m256i sums, __m256i a, __m256i b) {
  return _mm256_dpwssd_avx_epi32(sums, a, b);
}
inline __m256i add_byte_products(__m256i sums, __m256i a, __m256i b) {
  return _mm256_dpbusd_avx_epi32(sums, a, b);
}
#else
inline __m256i add_word_products(__m256i sums, __m256i a, __m256i b) {
  return _mm256_dpwssd_epi32(sums, a, b);
}
inline __m256i add_byte_products(__m256i sums, __m256i a, __m256i b) {
  return _mm256_dpbusd_epi32(sums, a, b);
}
#endif
#else
inline __m256i add_word_products(__m256i sums, __m256i a, __m256i b) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
}
#endif

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// 16-bit lane i: code i of the 16 that fill 2·Bits bytes at p. Reads 16 bytes at p and at p + Bits.
template <int Bits>
inline __m256i natural_codes(const std::uint8_t* p) {
  // Each lane takes the two bytes around its code; a multiplication by a power of two stands in for the
  // variable shift of 16-bit lanes that AVX2 lacks.
  alignas(32) static constexpr auto tables = [] {
    struct {
      std::int8_t bytes[32];
      std::int16_t factors[16];
    } t{};
    for (int i = 0; i < 16; ++i) {
      const int bit = i % 8 * Bits;
      t.bytes[2 * i] = static_cast<std::int8_t>(bit / 8);
      t.bytes[2 * i + 1] = static_cast<std::int8_t>(bit / 8 + 1);
      t.factors[i] = static_cast<std::int16_t>(1 << (16 - Bits - bit % 8));
    }
    return t;
  }();
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + Bits));
  const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  const __m256i words = _mm256_shuffle_epi8(bytes, load(tables.bytes));
  return _mm256_srli_epi16(_mm256_mullo_epi16(words, load(tables.factors)), 16 - Bits);
}

// Elements i … i + 7 of `values`, which need no alignment.
inline __m256 load_floats(const void* values, Element type, std::int64_t i) {
  const auto* bytes = static_cast<const std::uint8_t*>(values);
  if (type == Element::f32) return _mm256_castsi256_ps(load(bytes + 4 * i));
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 2 * i));
  return type == Element::f16 ? _mm256_cvtph_ps(halves)
                              : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

inline float element(const void* values, Element type, std::int64_t i) {
  const auto* bytes = static_cast<const std::uint8_t*>(values);
  if (type == Element::f32) {
    float value;
    __builtin_memcpy(&value, bytes + 4 * i, 4);
    return value;
  }
  std::uint16_t half;
  __builtin_memcpy(&half, bytes + 2 * i, 2);
  if (type == Element::f16) return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
  return _mm_cvtss_f32(
      _mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(static_cast<unsigned>(half) << 16))));
}

// Of 16 lanes, 0 … 7 and 8 … 15: l and l + 8, of those l and l + 4, then + 2, + 1.
inline float sum_by_halves(__m256 v0, __m256 v1) {
  const __m256 v8 = _mm256_add_ps(v0, v1);
  const __m128 v4 = _mm_add_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
  const __m128 v2 = _mm_add_ps(v4, _mm_movehl_ps(v4, v4));
  return _mm_cvtss_f32(_mm_add_ss(v2, _mm_shuffle_ps(v2, v2, 1)));
}

// Sums of the lanes of a, b, c and d (0 … 7 and 8 … 15 each), each by halves.
inline __m128 sum_four_by_halves(const __m256* a, const __m256* b, const __m256* c, const __m256* d) {
  const auto pair = [](const __m256* x, const __m256* y) {
    const __m256 x8 = _mm256_add_ps(x[0], x[1]), y8 = _mm256_add_ps(y[0], y[1]);
    return _mm256_add_ps(_mm256_permute2f128_ps(x8, y8, 0x20), _mm256_permute2f128_ps(x8, y8, 0x31));
  };
  const __m256 ab = pair(a, b), cd = pair(c, d);
  const __m256 twos = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  const __m256 ones = _mm256_add_ps(_mm256_shuffle_ps(twos, twos, 0x88), _mm256_shuffle_ps(twos, twos, 0xdd));
  return _mm_unpacklo_ps(_mm256_castps256_ps128(ones), _mm256_extractf128_ps(ones, 1));
}

}  // namespace
}  // namespace pome::kernels
