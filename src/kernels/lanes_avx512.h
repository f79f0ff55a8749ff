// Lanes of AVX-512: one register. lanes.h says what the functions do.
#pragma once

#include "kernels/avx512.h"

namespace pome::kernels {
namespace {

struct Lanes {
  __m512 v;
};

inline Lanes splat(float x) { return {_mm512_set1_ps(x)}; }
inline Lanes splat(float x, int count) {
  return {_mm512_maskz_broadcastss_ps(first_lanes(count), _mm_set_ss(x))};
}
inline Lanes load_lanes(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Lanes load_lanes(const float* p, int count) { return {_mm512_maskz_loadu_ps(first_lanes(count), p)}; }
inline Lanes load_lanes(const void* values, Element type, std::int64_t i, int count) {
  return {load_floats(values, type, i, first_lanes(count))};
}
inline void store_lanes(float* p, Lanes a) { _mm512_storeu_ps(p, a.v); }
inline void store_lanes(float* p, Lanes a, int count) { _mm512_mask_storeu_ps(p, first_lanes(count), a.v); }
inline void store_f16(std::uint16_t* p, Lanes a, int count) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}

inline Lanes load_i8(const std::int8_t* p, int count) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first_lanes(count), p)))};
}
inline Lanes load_u4(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  const __m128i low = _mm_set1_epi8(15);
  const __m128i codes =
      _mm_unpacklo_epi64(_mm_and_si128(bytes, low), _mm_and_si128(_mm_srli_epi16(bytes, 4), low));
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes))};
}
inline void store_i8(std::int8_t* p, Lanes a, int count) {
  _mm512_mask_cvtepi32_storeu_epi8(p, first_lanes(count), _mm512_cvtps_epi32(a.v));
}

inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Lanes round_to_even(Lanes a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT)}; }
inline Lanes power_of_two(Lanes a) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
inline float sum(Lanes a) { return sum_by_halves(a.v); }
inline void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d) {
  _mm_storeu_ps(p, sum_four_by_halves(a.v, b.v, c.v, d.v));
}
inline float largest(Lanes a) {
  if (_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0) return __builtin_nanf("");
  return _mm512_reduce_max_ps(a.v);
}
inline bool any_at_least(Lanes a, float threshold) {
  return _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(threshold), _CMP_GE_OQ) != 0;
}

}  // namespace
}  // namespace pome::kernels
