// What the AVX-512 files share, with internal linkage.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/element.h"

namespace pome::kernels {
namespace {

// 16-bit lane i: code i of the 32 that fill 4·Bits bytes at p. Reads those bytes only.
template <int Bits>
inline __m512i natural_codes(const std::uint8_t* p) {
  // Each 128-bit lane takes the words that hold its 8 codes, each word then the two bytes around its code.
  alignas(64) static constexpr auto tables = [] {
    struct {
      std::int16_t words[32];
      std::int8_t bytes[64];
      std::int16_t shifts[32];
    } t{};
    for (int lane = 0; lane < 4; ++lane) {
      for (int i = 0; i < 8; ++i) {
        t.words[lane * 8 + i] = static_cast<std::int16_t>((lane * Bits / 2 + i) % 32);
        const int byte = lane * Bits % 2 + i * Bits / 8;
        t.bytes[lane * 16 + 2 * i] = static_cast<std::int8_t>(byte);
        t.bytes[lane * 16 + 2 * i + 1] = static_cast<std::int8_t>(byte + 1);
        t.shifts[lane * 8 + i] = static_cast<std::int16_t>(i * Bits % 8);
      }
    }
    return t;
  }();
  const __m512i bytes =
      _mm512_castsi256_si512(_mm256_maskz_loadu_epi8(static_cast<__mmask32>((1ull << 4 * Bits) - 1), p));
  const __m512i lanes = _mm512_permutexvar_epi16(_mm512_loadu_si512(tables.words), bytes);
  const __m512i words = _mm512_shuffle_epi8(lanes, _mm512_loadu_si512(tables.bytes));
  return _mm512_and_si512(_mm512_srlv_epi16(words, _mm512_loadu_si512(tables.shifts)),
                          _mm512_set1_epi16((1 << Bits) - 1));
}

// The lowest `count` lanes, all 16 from there on.
inline __mmask16 first_lanes(std::int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1);
}

// Elements i … i + 15 of `values`, which need no alignment; zero where the mask is.
inline __m512 load_floats(const void* values, Element type, std::int64_t i, __mmask16 mask = 0xffff) {
  const auto* bytes = static_cast<const std::uint8_t*>(values);
  if (type == Element::f32) return _mm512_maskz_loadu_ps(mask, bytes + 4 * i);
  const __m256i halves = _mm256_maskz_loadu_epi16(mask, bytes + 2 * i);
  return type == Element::f16 ? _mm512_cvtph_ps(halves)
                              : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

inline float element(const void* values, Element type, std::int64_t i) {
  return _mm512_cvtss_f32(load_floats(values, type, i, 1));
}

// Lanes l and l + 8, of those l and l + 4, then + 2, + 1.
inline float sum_by_halves(__m512 v) {
  const __m256 v8 = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 v4 = _mm_add_ps(_mm256_castps256_ps128(v8), _mm256_extractf128_ps(v8, 1));
  const __m128 v2 = _mm_add_ps(v4, _mm_movehl_ps(v4, v4));
  return _mm_cvtss_f32(_mm_add_ss(v2, _mm_shuffle_ps(v2, v2, 1)));
}

// Sums of the 16 lanes of a, b, c and d, each by halves.
inline __m128 sum_four_by_halves(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
  __m512 sums = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  sums = _mm512_add_ps(sums, _mm512_permute_ps(sums, 0x4e));
  sums = _mm512_add_ps(sums, _mm512_permute_ps(sums, 0xb1));
  return _mm512_castps512_ps128(
      _mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), sums));
}

// r[i] lane j ↔ r[j] lane i.
inline void transpose(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int h = 0; h < 2; ++h) {
      r[i + 2 * h] = _mm512_unpacklo_epi64(t[i + h], t[i + h + 2]);
      r[i + 2 * h + 1] = _mm512_unpackhi_epi64(t[i + h], t[i + h + 2]);
    }
  }
  // r[4a + c] holds, in 128-bit lane l, rows 4a … 4a + 3 of column 4l + c.
  for (int c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
    const __m512i even23 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const __m512i odd23 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
    t[c] = _mm512_shuffle_i32x4(even01, even23, 0x88);
    t[8 + c] = _mm512_shuffle_i32x4(even01, even23, 0xdd);
    t[4 + c] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
  }
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// Adds up sixteen lanes of v[Count] like a binary counter: `pending[l]` is the sum of 2^l of them that waits
// for its neighbour.
template <int Count>
struct LaneSums {
  alignas(64) float pending[4][Count][16];

  // v: lane i, of 0 … 15 in turn; after the last the sum of all.
  [[gnu::always_inline]] void take(int i, __m512 (&v)[Count]) {
    int level = 0;
    for (; i >> level & 1; ++level) {
#pragma clang loop unroll(full)
      for (int c = 0; c < Count; ++c) v[c] = _mm512_add_ps(_mm512_load_ps(pending[level][c]), v[c]);
    }
    if (level < 4) {
#pragma clang loop unroll(full)
      for (int c = 0; c < Count; ++c) _mm512_store_ps(pending[level][c], v[c]);
    }
  }
};

}  // namespace
}  // namespace pome::kernels
