// Lanes of NEON: four registers. lanes.h says what the functions do.
#pragma once

#include "kernels/neon.h"

namespace pome::kernels {
namespace {

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

}  // namespace
}  // namespace pome::kernels
