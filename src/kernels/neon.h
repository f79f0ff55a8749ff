// What the NEON files share, with internal linkage.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "kernels/element.h"

namespace pome::kernels {
namespace {

// Elements i … i + 3 of `values`, which need no alignment.
inline float32x4_t load_floats(const void* values, Element type, std::int64_t i) {
  const auto* bytes = static_cast<const std::uint8_t*>(values);
  if (type == Element::f32) return vreinterpretq_f32_u8(vld1q_u8(bytes + 4 * i));
  const uint16x4_t halves = vreinterpret_u16_u8(vld1_u8(bytes + 2 * i));
  return type == Element::f16 ? vcvt_f32_f16(vreinterpret_f16_u16(halves))
                              : vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

inline float element(const void* values, Element type, std::int64_t i) {
  const auto* bytes = static_cast<const std::uint8_t*>(values);
  if (type == Element::f32) {
    float v;
    __builtin_memcpy(&v, bytes + 4 * i, 4);
    return v;
  }
  std::uint16_t half;
  __builtin_memcpy(&half, bytes + 2 * i, 2);
  const uint16x4_t halves = vdup_n_u16(half);
  return vgetq_lane_f32(type == Element::f16 ? vcvt_f32_f16(vreinterpret_f16_u16(halves))
                                             : vreinterpretq_f32_u32(vshll_n_u16(halves, 16)),
                        0);
}

// Of 16 lanes: l and l + 8, of those l and l + 4, then + 2, + 1.
inline float sum_by_halves(const float32x4_t* v) {
  const float32x4_t v4 = vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3]));
  const float32x2_t v2 = vadd_f32(vget_low_f32(v4), vget_high_f32(v4));
  return vget_lane_f32(v2, 0) + vget_lane_f32(v2, 1);
}

}  // namespace
}  // namespace pome::kernels
