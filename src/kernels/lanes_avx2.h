// Lanes of AVX2: two registers. lanes.h says what the functions do.
#pragma once

#include "kernels/avx2.h"

namespace pome::kernels {
namespace {

struct Lanes {
  __m256 v[2];
};

inline __m256i part_mask(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Lanes splat(float x) { return {{_mm256_set1_ps(x), _mm256_set1_ps(x)}}; }
inline Lanes splat(float x, int count) {
  const __m256 all = _mm256_set1_ps(x);
  return {{_mm256_and_ps(all, _mm256_castsi256_ps(part_mask(count))),
           _mm256_and_ps(all, _mm256_castsi256_ps(part_mask(count - 8)))}};
}
inline Lanes load_lanes(const float* p) { return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}}; }
inline Lanes load_lanes(const float* p, int count) {
  if (count >= lane_count) return load_lanes(p);
  return {{_mm256_maskload_ps(p, part_mask(count)), _mm256_maskload_ps(p + 8, part_mask(count - 8))}};
}
inline Lanes load_lanes(const void* values, Element type, std::int64_t i, int count) {
  if (count >= lane_count) return {{load_floats(values, type, i), load_floats(values, type, i + 8)}};
  alignas(32) float part[lane_count] = {};
  for (int l = 0; l < count; ++l) part[l] = element(values, type, i + l);
  return load_lanes(part);
}
inline void store_lanes(float* p, Lanes a) {
  _mm256_storeu_ps(p, a.v[0]);
  _mm256_storeu_ps(p + 8, a.v[1]);
}
inline void store_lanes(float* p, Lanes a, int count) {
  if (count >= lane_count) return store_lanes(p, a);
  _mm256_maskstore_ps(p, part_mask(count), a.v[0]);
  _mm256_maskstore_ps(p + 8, part_mask(count - 8), a.v[1]);
}
inline void store_f16(std::uint16_t* p, Lanes a, int count) {
  alignas(16) std::uint16_t halves[lane_count];
  for (int h = 0; h < 2; ++h) {
    _mm_store_si128(reinterpret_cast<__m128i*>(halves + 8 * h),
                    _mm256_cvtps_ph(a.v[h], _MM_FROUND_TO_NEAREST_INT));
  }
  __builtin_memcpy(p, halves, static_cast<unsigned>(count < lane_count ? count : lane_count) * 2);
}

inline Lanes load_i8(const std::int8_t* p, int count) {
  alignas(16) std::int8_t part[lane_count] = {};
  __builtin_memcpy(part, p, static_cast<unsigned>(count < lane_count ? count : lane_count));
  const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(part));
  return {{_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
           _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))}};
}
inline Lanes load_u4(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  const __m128i low = _mm_set1_epi8(15);
  return {{_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_and_si128(bytes, low))),
           _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(bytes, 4), low)))}};
}
inline void store_i8(std::int8_t* p, Lanes a, int count) {
  alignas(32) std::int32_t whole[lane_count];
  for (int h = 0; h < 2; ++h) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(whole + 8 * h), _mm256_cvtps_epi32(a.v[h]));
  }
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int8_t>(whole[l]);
}

inline Lanes operator+(Lanes a, Lanes b) {
  return {{_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1])}};
}
inline Lanes operator-(Lanes a, Lanes b) {
  return {{_mm256_sub_ps(a.v[0], b.v[0]), _mm256_sub_ps(a.v[1], b.v[1])}};
}
inline Lanes operator*(Lanes a, Lanes b) {
  return {{_mm256_mul_ps(a.v[0], b.v[0]), _mm256_mul_ps(a.v[1], b.v[1])}};
}
inline Lanes operator/(Lanes a, Lanes b) {
  return {{_mm256_div_ps(a.v[0], b.v[0]), _mm256_div_ps(a.v[1], b.v[1])}};
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {{_mm256_fmadd_ps(a.v[0], b.v[0], c.v[0]), _mm256_fmadd_ps(a.v[1], b.v[1], c.v[1])}};
}
inline Lanes max(Lanes a, Lanes b) {
  return {{_mm256_max_ps(a.v[0], b.v[0]), _mm256_max_ps(a.v[1], b.v[1])}};
}
inline Lanes min(Lanes a, Lanes b) {
  return {{_mm256_min_ps(a.v[0], b.v[0]), _mm256_min_ps(a.v[1], b.v[1])}};
}
inline Lanes round_to_even(Lanes a) {
  return {{_mm256_round_ps(a.v[0], _MM_FROUND_TO_NEAREST_INT),
           _mm256_round_ps(a.v[1], _MM_FROUND_TO_NEAREST_INT)}};
}
inline Lanes power_of_two(Lanes a) {
  Lanes r;
  for (int h = 0; h < 2; ++h) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a.v[h]), _mm256_set1_epi32(127));
    r.v[h] = _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }
  return r;
}
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  Lanes r;
  for (int h = 0; h < 2; ++h)
    r.v[h] = _mm256_blendv_ps(y.v[h], x.v[h], _mm256_cmp_ps(a.v[h], b.v[h], _CMP_LT_OQ));
  return r;
}
inline float sum(Lanes a) { return sum_by_halves(a.v[0], a.v[1]); }
inline void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d) {
  _mm_storeu_ps(p, sum_four_by_halves(a.v, b.v, c.v, d.v));
}
inline float largest(Lanes a) {
  if (_mm256_movemask_ps(_mm256_cmp_ps(a.v[0], a.v[1], _CMP_UNORD_Q)) != 0) return __builtin_nanf("");
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, _mm256_max_ps(a.v[0], a.v[1]));
  float m = lanes[0];
  for (int l = 1; l < 8; ++l) m = lanes[l] > m ? lanes[l] : m;
  return m;
}
inline bool any_at_least(Lanes a, float threshold) {
  const __m256 t = _mm256_set1_ps(threshold);
  return _mm256_movemask_ps(
             _mm256_or_ps(_mm256_cmp_ps(a.v[0], t, _CMP_GE_OQ), _mm256_cmp_ps(a.v[1], t, _CMP_GE_OQ))) != 0;
}

}  // namespace
}  // namespace pome::kernels
