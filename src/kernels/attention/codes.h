// Products of whole numbers of 16 bits, as lanes.h has floats: 32 codes at once, and 16 sums of 32 bits of
// which lane l takes the products of elements 2·l and 2·l + 1. Sums are exact as long as they fit, whatever
// the level.
#pragma once

#include "kernels/lanes.h"

namespace pome::kernels {
namespace {

inline constexpr int code_count = 32;

#if defined(__AVX512F__)

struct Codes {
  __m512i v;
};
struct Sums {
  __m512i v;
};

inline Sums no_sums() { return {_mm512_setzero_si512()}; }
inline Codes load_codes(const std::int16_t* p) { return {_mm512_loadu_si512(p)}; }
inline Codes load_codes(const std::int8_t* p) {
  return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
// Codes from `count` on are zero and not read.
inline Codes load_codes(const std::int16_t* p, int count) {
  return {_mm512_maskz_loadu_epi16((1u << count) - 1, p)};
}
inline Codes load_codes(const std::int8_t* p, int count) {
  return {_mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((1u << count) - 1, p))};
}
inline Sums add_products(Sums sums, Codes a, Codes b) { return {_mm512_dpwssd_epi32(sums.v, a.v, b.v)}; }
inline Lanes floats_of(Sums sums) { return {_mm512_cvtepi32_ps(sums.v)}; }
// The pair at p in every lane.
inline Codes splat_pair(const std::int16_t* p) {
  std::int32_t pair;
  __builtin_memcpy(&pair, p, 4);
  return {_mm512_set1_epi32(pair)};
}
// What the lanes of each add up to.
inline void store_totals(float* p, Sums a, Sums b, Sums c, Sums d) {
  const auto fold = [](__m512i x, __m512i y) {
    return _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
  };
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a.v, b.v), _mm512_unpackhi_epi32(a.v, b.v));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c.v, d.v), _mm512_unpackhi_epi32(c.v, d.v));
  const __m512i sums = fold(ab, cd);
  const __m256i halves = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
  const __m128i totals = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  _mm_storeu_ps(p, _mm_cvtepi32_ps(totals));
}
inline float total(Sums a) { return static_cast<float>(_mm512_reduce_add_epi32(a.v)); }

// 16 rows of 32 codes turned: pair i of row r comes to stand at pair r of row i of `to`, a row there being
// `to_stride` codes.
inline void turn(const Codes (&rows)[16], std::int16_t* to, int to_stride) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm512_unpackhi_epi32(rows[i].v, rows[i + 1].v);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  // b[4·q + j]: quarter w has pair 4·w + j of rows 4·q … 4·q + 3.
  for (int j = 0; j < 4; ++j) {
    const __m512i low01 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x44),
                  high01 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xee);
    const __m512i low23 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x44),
                  high23 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xee);
    const auto store = [&](int pair, __m512i v) { _mm512_storeu_si512(to + pair * to_stride, v); };
    store(j, _mm512_shuffle_i32x4(low01, low23, 0x88));
    store(4 + j, _mm512_shuffle_i32x4(low01, low23, 0xdd));
    store(8 + j, _mm512_shuffle_i32x4(high01, high23, 0x88));
    store(12 + j, _mm512_shuffle_i32x4(high01, high23, 0xdd));
  }
}
inline Lanes load_i16(const std::int16_t* p, int count) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(first_lanes(count), p)))};
}
// a must be whole, from -32768 to 32767.
inline void store_i16(std::int16_t* p, Lanes a, int count) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a.v)));
}

#else

// Codes from `count` on are zero and not read.
template <class Code>
inline void copy_codes(const Code* p, int count, std::int16_t* to) {
  for (int l = 0; l < code_count; ++l) to[l] = l < count ? p[l] : std::int16_t{0};
}

#if defined(__AVX2__)

struct Codes {
  __m256i v[2];
};
struct Sums {
  __m256i v[2];
};

inline Sums no_sums() { return {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }
inline Codes load_codes(const std::int16_t* p) {
  const auto* at = reinterpret_cast<const __m256i*>(p);
  return {{_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)}};
}
inline Codes load_codes(const std::int8_t* p) {
  const auto* at = reinterpret_cast<const __m128i*>(p);
  return {{_mm256_cvtepi8_epi16(_mm_loadu_si128(at)), _mm256_cvtepi8_epi16(_mm_loadu_si128(at + 1))}};
}
inline Sums add_products(Sums sums, Codes a, Codes b) {
  return {{_mm256_add_epi32(sums.v[0], _mm256_madd_epi16(a.v[0], b.v[0])),
           _mm256_add_epi32(sums.v[1], _mm256_madd_epi16(a.v[1], b.v[1]))}};
}
inline Lanes floats_of(Sums sums) { return {{_mm256_cvtepi32_ps(sums.v[0]), _mm256_cvtepi32_ps(sums.v[1])}}; }
inline Codes splat_pair(const std::int16_t* p) {
  std::int32_t pair;
  __builtin_memcpy(&pair, p, 4);
  return {{_mm256_set1_epi32(pair), _mm256_set1_epi32(pair)}};
}
inline void store_codes(std::int16_t* p, Codes a) {
  for (int h = 0; h < 2; ++h) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p) + h, a.v[h]);
}
inline float total(Sums a) {
  const __m256i eight = _mm256_add_epi32(a.v[0], a.v[1]);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return static_cast<float>(_mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1))));
}
inline Lanes load_whole_i16(const std::int16_t* p) {
  const auto* at = reinterpret_cast<const __m128i*>(p);
  return floats_of(
      {{_mm256_cvtepi16_epi32(_mm_loadu_si128(at)), _mm256_cvtepi16_epi32(_mm_loadu_si128(at + 1))}});
}
inline void store_i16(std::int16_t* p, Lanes a, int count) {
  alignas(32) std::int32_t whole[lane_count];
  for (int h = 0; h < 2; ++h) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(whole + 8 * h), _mm256_cvtps_epi32(a.v[h]));
  }
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int16_t>(whole[l]);
}

#elif defined(POME_NEON_LANES)

struct Codes {
  int16x8_t v[4];
};
struct Sums {
  int32x4_t v[4];
};

inline Sums no_sums() {
  const int32x4_t zero = vdupq_n_s32(0);
  return {{zero, zero, zero, zero}};
}
inline Codes load_codes(const std::int16_t* p) {
  return {{vld1q_s16(p), vld1q_s16(p + 8), vld1q_s16(p + 16), vld1q_s16(p + 24)}};
}
inline Codes load_codes(const std::int8_t* p) {
  const int8x16_t low = vld1q_s8(p), high = vld1q_s8(p + 16);
  return {{vmovl_s8(vget_low_s8(low)), vmovl_s8(vget_high_s8(low)), vmovl_s8(vget_low_s8(high)),
           vmovl_s8(vget_high_s8(high))}};
}
inline Sums add_products(Sums sums, Codes a, Codes b) {
  for (int i = 0; i < 4; ++i) {
    const int32x4_t low = vmull_s16(vget_low_s16(a.v[i]), vget_low_s16(b.v[i]));
    sums.v[i] = vaddq_s32(sums.v[i], vpaddq_s32(low, vmull_high_s16(a.v[i], b.v[i])));
  }
  return sums;
}
inline Lanes floats_of(Sums sums) {
  return each_four([&](int i) { return vcvtq_f32_s32(sums.v[i]); });
}
inline Codes splat_pair(const std::int16_t* p) {
  std::int32_t pair;
  __builtin_memcpy(&pair, p, 4);
  const int16x8_t pairs = vreinterpretq_s16_s32(vdupq_n_s32(pair));
  return {{pairs, pairs, pairs, pairs}};
}
inline void store_codes(std::int16_t* p, Codes a) {
  for (int i = 0; i < 4; ++i) vst1q_s16(p + 8 * i, a.v[i]);
}
inline float total(Sums a) {
  return static_cast<float>(vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3]))));
}
inline Lanes load_whole_i16(const std::int16_t* p) {
  return each_four([&](int i) { return vcvtq_f32_s32(vmovl_s16(vld1_s16(p + 4 * i))); });
}
inline void store_i16(std::int16_t* p, Lanes a, int count) {
  alignas(16) std::int32_t whole[lane_count];
  for (int i = 0; i < 4; ++i) vst1q_s32(whole + 4 * i, vcvtnq_s32_f32(a.v[i]));
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int16_t>(whole[l]);
}

#else

struct Codes {
  std::int16_t v[code_count];
};
struct Sums {
  std::int32_t v[lane_count];
};

inline Sums no_sums() { return {}; }
template <class Code>
inline Codes load_codes(const Code* p) {
  Codes codes;
  copy_codes(p, code_count, codes.v);
  return codes;
}
inline Sums add_products(Sums sums, Codes a, Codes b) {
  for (int i = 0; i < code_count; ++i) sums.v[i / 2] += a.v[i] * b.v[i];
  return sums;
}
inline Lanes floats_of(Sums sums) {
  return each_lane([&](int l) { return static_cast<float>(sums.v[l]); });
}
inline Codes splat_pair(const std::int16_t* p) {
  Codes pairs;
  for (int i = 0; i < code_count; ++i) pairs.v[i] = p[i % 2];
  return pairs;
}
inline void store_codes(std::int16_t* p, Codes a) {
  for (int i = 0; i < code_count; ++i) p[i] = a.v[i];
}
inline float total(Sums a) {
  std::int32_t sum = 0;
  for (const std::int32_t v : a.v) sum += v;
  return static_cast<float>(sum);
}
inline Lanes load_whole_i16(const std::int16_t* p) {
  return each_lane([&](int l) { return static_cast<float>(p[l]); });
}
inline void store_i16(std::int16_t* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int16_t>(a.v[l]);
}

#endif

template <class Code>
inline Codes load_codes(const Code* p, int count) {
  std::int16_t part[code_count];
  copy_codes(p, count, part);
  return load_codes(static_cast<const std::int16_t*>(part));
}
inline void store_totals(float* p, Sums a, Sums b, Sums c, Sums d) {
  p[0] = total(a);
  p[1] = total(b);
  p[2] = total(c);
  p[3] = total(d);
}
inline void turn(const Codes (&rows)[16], std::int16_t* to, int to_stride) {
  for (int r = 0; r < 16; ++r) {
    std::int16_t row[code_count];
    store_codes(row, rows[r]);
    for (int i = 0; i < 16; ++i) __builtin_memcpy(to + i * to_stride + 2 * r, row + 2 * i, 4);
  }
}
inline Lanes load_i16(const std::int16_t* p, int count) {
  if (count >= lane_count) return load_whole_i16(p);
  std::int16_t part[code_count];
  copy_codes(p, count, part);
  return load_whole_i16(part);
}

#endif

}  // namespace
}  // namespace pome::kernels
