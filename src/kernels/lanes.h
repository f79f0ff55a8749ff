// Sixteen floats that a kernel handles at once, whatever the instruction set: one AVX-512 register, two of
// AVX2, four of NEON, or an array. A kernel written over Lanes is compiled once per level and gives the same
// bits on each, since every operation here rounds as IEEE 754 says and sums have one order.
//
// Internal linkage throughout, because files with different instruction sets include it. The level is the one
// that the including file is compiled for; NEON, which Arm compilers always have, it asks for by defining
// POME_NEON_LANES.
#pragma once

#include "kernels/element.h"

#if defined(__AVX512F__)
#include "kernels/avx512.h"
#elif defined(__AVX2__)
#include "kernels/avx2.h"
#elif defined(POME_NEON_LANES)
#include "kernels/neon.h"
#else
#include <cmath>

#include "kernels/scalar.h"
#endif

namespace pome::kernels {
namespace {

inline constexpr int lane_count = 16;

#if defined(__AVX512F__)

struct Lanes {
  __m512 v;
};

inline Lanes splat(float x) { return {_mm512_set1_ps(x)}; }
// x in the first `count` lanes, zero in the others.
inline Lanes splat(float x, int count) {
  return {_mm512_maskz_broadcastss_ps(first_lanes(count), _mm_set_ss(x))};
}
inline Lanes load_lanes(const float* p) { return {_mm512_loadu_ps(p)}; }
// Lanes from `count` on are zero and neither read nor written.
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
// 16 codes in 8 bytes: lane l in the lower half of byte l, lane 8 + l in the upper.
inline Lanes load_u4(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  const __m128i low = _mm_set1_epi8(15);
  const __m128i codes =
      _mm_unpacklo_epi64(_mm_and_si128(bytes, low), _mm_and_si128(_mm_srli_epi16(bytes, 4), low));
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes))};
}
// a must be whole, from -128 to 127.
inline void store_i8(std::int8_t* p, Lanes a, int count) {
  _mm512_mask_cvtepi32_storeu_epi8(p, first_lanes(count), _mm512_cvtps_epi32(a.v));
}

inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// a > b ? a : b and a < b ? a : b, so that a NaN in b stays.
inline Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Lanes round_to_even(Lanes a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT)}; }
// 2^a for whole a from -126 to 127.
inline Lanes power_of_two(Lanes a) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}
// a < b ? x : y.
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
inline float sum(Lanes a) { return sum_by_halves(a.v); }
inline void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d) {
  _mm_storeu_ps(p, sum_four_by_halves(a.v, b.v, c.v, d.v));
}
// NaN where any lane is.
inline float largest(Lanes a) {
  if (_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0) return __builtin_nanf("");
  return _mm512_reduce_max_ps(a.v);
}
inline bool any_at_least(Lanes a, float threshold) {
  return _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(threshold), _CMP_GE_OQ) != 0;
}

#elif defined(__AVX2__)

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

#elif defined(POME_NEON_LANES)

struct Lanes {
  float32x4_t v[4];
};

// v[i] = f(i), four lanes at a time.
template <class F>
[[gnu::always_inline]] inline Lanes each_four(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}

inline Lanes splat(float x) {
  return each_four([&](int) { return vdupq_n_f32(x); });
}
inline Lanes load_lanes(const float* p) {
  return each_four([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline Lanes load_lanes(const float* p, int count) {
  if (count >= lane_count) return load_lanes(p);
  alignas(16) float part[lane_count] = {};
  if (count > 0) __builtin_memcpy(part, p, static_cast<unsigned>(count) * 4);
  return load_lanes(part);
}
inline Lanes splat(float x, int count) {
  float all[lane_count];
  for (float& lane : all) lane = x;
  return load_lanes(all, count);
}
inline Lanes load_lanes(const void* values, Element type, std::int64_t i, int count) {
  if (count >= lane_count) {
    return each_four([&](int l) { return load_floats(values, type, i + 4 * l); });
  }
  alignas(16) float part[lane_count] = {};
  for (int l = 0; l < count; ++l) part[l] = element(values, type, i + l);
  return load_lanes(part);
}
inline void store_lanes(float* p, Lanes a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
inline void store_lanes(float* p, Lanes a, int count) {
  if (count >= lane_count) return store_lanes(p, a);
  alignas(16) float part[lane_count];
  store_lanes(part, a);
  if (count > 0) __builtin_memcpy(p, part, static_cast<unsigned>(count) * 4);
}
inline void store_f16(std::uint16_t* p, Lanes a, int count) {
  alignas(16) std::uint16_t halves[lane_count];
  for (int i = 0; i < 4; ++i) vst1_u16(halves + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
  __builtin_memcpy(p, halves, static_cast<unsigned>(count < lane_count ? count : lane_count) * 2);
}

inline Lanes lanes_of_bytes(int8x16_t bytes) {
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
inline Lanes load_i8(const std::int8_t* p, int count) {
  if (count >= lane_count) return lanes_of_bytes(vld1q_s8(p));
  alignas(16) std::int8_t part[lane_count] = {};
  if (count > 0) __builtin_memcpy(part, p, static_cast<unsigned>(count));
  return lanes_of_bytes(vld1q_s8(part));
}
inline Lanes load_u4(const std::uint8_t* p) {
  const uint8x8_t bytes = vld1_u8(p);
  return lanes_of_bytes(vreinterpretq_s8_u8(vcombine_u8(vand_u8(bytes, vdup_n_u8(15)), vshr_n_u8(bytes, 4))));
}
inline void store_i8(std::int8_t* p, Lanes a, int count) {
  alignas(16) std::int32_t whole[lane_count];
  for (int i = 0; i < 4; ++i) vst1q_s32(whole + 4 * i, vcvtnq_s32_f32(a.v[i]));
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int8_t>(whole[l]);
}

inline Lanes operator+(Lanes a, Lanes b) {
  return each_four([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline Lanes operator-(Lanes a, Lanes b) {
  return each_four([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline Lanes operator*(Lanes a, Lanes b) {
  return each_four([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline Lanes operator/(Lanes a, Lanes b) {
  return each_four([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return each_four([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline Lanes max(Lanes a, Lanes b) {
  return each_four([&](int i) { return vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline Lanes min(Lanes a, Lanes b) {
  return each_four([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline Lanes round_to_even(Lanes a) {
  return each_four([&](int i) { return vrndnq_f32(a.v[i]); });
}
inline Lanes power_of_two(Lanes a) {
  return each_four([&](int i) {
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(a.v[i]), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
  });
}
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  return each_four([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), x.v[i], y.v[i]); });
}
inline float sum(Lanes a) { return sum_by_halves(a.v); }
inline void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d) {
  p[0] = sum(a);
  p[1] = sum(b);
  p[2] = sum(c);
  p[3] = sum(d);
}
inline float largest(Lanes a) {
  // FMAX gives a NaN where there is one.
  const float m = vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3])));
  return m == m ? m : __builtin_nanf("");
}
inline bool any_at_least(Lanes a, float threshold) {
  const float32x4_t t = vdupq_n_f32(threshold);
  const uint32x4_t any = vorrq_u32(vorrq_u32(vcgeq_f32(a.v[0], t), vcgeq_f32(a.v[1], t)),
                                   vorrq_u32(vcgeq_f32(a.v[2], t), vcgeq_f32(a.v[3], t)));
  return vmaxvq_u32(any) != 0;
}

#else

struct Lanes {
  float v[lane_count];
};

template <class F>
Lanes each_lane(F f) {
  Lanes r;
  for (int l = 0; l < lane_count; ++l) r.v[l] = f(l);
  return r;
}

inline Lanes splat(float x) {
  return each_lane([&](int) { return x; });
}
inline Lanes splat(float x, int count) {
  return each_lane([&](int l) { return l < count ? x : 0.0f; });
}
inline Lanes load_lanes(const float* p, int count) {
  return each_lane([&](int l) { return l < count ? p[l] : 0.0f; });
}
inline Lanes load_lanes(const float* p) { return load_lanes(p, lane_count); }
inline Lanes load_lanes(const void* values, Element type, std::int64_t i, int count) {
  return each_lane([&](int l) { return l < count ? element(values, type, i + l) : 0.0f; });
}
inline void store_lanes(float* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = a.v[l];
}
inline void store_lanes(float* p, Lanes a) { store_lanes(p, a, lane_count); }
inline void store_f16(std::uint16_t* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = f32_to_f16(a.v[l]);
}

inline Lanes load_i8(const std::int8_t* p, int count) {
  return each_lane([&](int l) { return l < count ? static_cast<float>(p[l]) : 0.0f; });
}
inline Lanes load_u4(const std::uint8_t* p) {
  return each_lane([&](int l) { return static_cast<float>(l < 8 ? p[l] & 15 : p[l - 8] >> 4); });
}
inline void store_i8(std::int8_t* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int8_t>(a.v[l]);
}

inline Lanes operator+(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] + b.v[l]; });
}
inline Lanes operator-(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] - b.v[l]; });
}
inline Lanes operator*(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] * b.v[l]; });
}
inline Lanes operator/(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] / b.v[l]; });
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return each_lane([&](int l) { return std::fma(a.v[l], b.v[l], c.v[l]); });
}
inline Lanes max(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
}
inline Lanes min(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] < b.v[l] ? a.v[l] : b.v[l]; });
}
inline Lanes round_to_even(Lanes a) {
  return each_lane([&](int l) { return std::nearbyint(a.v[l]); });
}
inline Lanes power_of_two(Lanes a) {
  return each_lane(
      [&](int l) { return a.v[l] == a.v[l] ? std::ldexp(1.0f, static_cast<int>(a.v[l])) : a.v[l]; });
}
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  return each_lane([&](int l) { return a.v[l] < b.v[l] ? x.v[l] : y.v[l]; });
}
inline float sum(Lanes a) { return sum_by_halves(a.v); }
inline void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d) {
  p[0] = sum(a);
  p[1] = sum(b);
  p[2] = sum(c);
  p[3] = sum(d);
}
inline float largest(Lanes a) {
  float m = a.v[0];
  for (const float v : a.v) {
    if (v != v) return __builtin_nanf("");
    m = v > m ? v : m;
  }
  return m;
}
inline bool any_at_least(Lanes a, float threshold) {
  for (const float v : a.v) {
    if (v >= threshold) return true;
  }
  return false;
}

#endif

// e^x within 2 units in the last place, zero below -69: softmax weights under 1e-30 count as nothing, so that
// their products with stored values never underflow. Infinity above 88.72; NaN becomes a NaN or infinity.
// Range reduction and polynomial: S. Moshier, Cephes, expf.
inline Lanes exp(Lanes x) {
  const Lanes clamped = min(splat(89.0f), max(splat(-69.5f), x));
  const Lanes n = round_to_even(clamped * splat(1.44269504088896341f));
  Lanes r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  Lanes p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
  // In two factors, since 2^n alone overflows just before the result does.
  const Lanes half = round_to_even(n * splat(0.5f));
  const Lanes power = p * power_of_two(half) * power_of_two(n - half);
  return select_less(x, splat(-69.0f), splat(0.0f), power);
}

// ln(1 + x) for x from 0 to 1, within 3 units in the last place: 2·artanh(x/(2 + x)) by its series.
inline Lanes log1p(Lanes x) {
  const Lanes s = x / (splat(2.0f) + x), square = s * s;
  constexpr float terms[] = {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3};
  Lanes p = splat(1.0f / 15);
  for (const float term : terms) p = fma(p, square, splat(term));
  const Lanes twice = s + s;
  return fma(p * square, twice, twice);
}

// Within 2e-7 of the true value, not relative to it.
inline Lanes tanh(Lanes x) { return splat(1) - splat(2) / (exp(x + x) + splat(1)); }

// What is finite but beyond float16 becomes its largest number; an infinity is no number that did not fit.
inline Lanes saturated_f16(Lanes x) {
  constexpr float largest_f16 = 65504.0f, infinity = __builtin_inff();
  const Lanes clamped = min(splat(largest_f16), max(splat(-largest_f16), x));
  const Lanes above = select_less(x, splat(infinity), clamped, x);
  return select_less(splat(-infinity), x, above, x);
}

}  // namespace
}  // namespace pome::kernels
