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

// 16 codes of Bits bits in natural order; they fill 2·Bits bytes at p, of `left` that may be read.
template <int Bits>
inline uint8x16_t natural_codes(const std::uint8_t* p, std::int64_t left) {
  // A lane of 16 bits takes the two bytes that hold its pair of codes.
  alignas(16) static constexpr auto tables = [] {
    struct {
      std::uint8_t bytes[16];
      std::int16_t shifts[8];
    } t{};
    for (int i = 0; i < 8; ++i) {
      t.bytes[2 * i] = static_cast<std::uint8_t>(i * 2 * Bits / 8);
      t.bytes[2 * i + 1] = static_cast<std::uint8_t>(i * 2 * Bits / 8 + 1);
      t.shifts[i] = static_cast<std::int16_t>(-(i * 2 * Bits % 8));
    }
    return t;
  }();
  uint8x16_t packed;
  if (left >= 16) {
    packed = vld1q_u8(p);
  } else {
    std::uint8_t copy[16] = {};
    __builtin_memcpy(copy, p, 2 * Bits);
    packed = vld1q_u8(copy);
  }
  const uint16x8_t words = vreinterpretq_u16_u8(vqtbl1q_u8(packed, vld1q_u8(tables.bytes)));
  const uint16x8_t pairs = vshlq_u16(words, vld1q_s16(tables.shifts));
  constexpr int mask = (1 << Bits) - 1;
  const uint16x8_t low = vandq_u16(pairs, vdupq_n_u16(mask));
  const uint16x8_t high = vandq_u16(vshlq_n_u16(pairs, 8 - Bits), vdupq_n_u16(mask << 8));
  return vreinterpretq_u8_u16(vorrq_u16(low, high));
}

// Of 16 lanes: l and l + 8, of those l and l + 4, then + 2, + 1.
inline float sum_by_halves(const float32x4_t* v) {
  const float32x4_t v4 = vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3]));
  const float32x2_t v2 = vadd_f32(vget_low_f32(v4), vget_high_f32(v4));
  return vget_lane_f32(v2, 0) + vget_lane_f32(v2, 1);
}

}  // namespace
}  // namespace pome::kernels
