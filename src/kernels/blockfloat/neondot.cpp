#include "kernels/blockfloat/impl.h"
#include "kernels/neon.h"

namespace pome::kernels::blockfloat::neondot {
namespace {

struct Level {
  template <Stored S>
  static int largest_exponent(const std::uint8_t* p) {
    if constexpr (S == Stored::e4m3) {
      uint8x16_t largest = vdupq_n_u8(0);
      for (int i = 0; i < exponent_weights; i += 16) {
        largest = vmaxq_u8(largest, vandq_u8(vld1q_u8(p + i), vdupq_n_u8(0x7f)));
      }
      const int magnitude = vmaxvq_u8(largest);
      return magnitude < 8 ? least_e4m3_exponent : least_e4m3_exponent - 1 + (magnitude >> 3);
    }
    uint16x8_t largest = vdupq_n_u16(0);
    for (int i = 0; i < exponent_weights; i += 8) {
      const uint16x8_t words = vreinterpretq_u16_u8(vld1q_u8(p + 2 * i));
      largest = vmaxq_u16(largest, vandq_u16(words, vdupq_n_u16(0x7fff)));
    }
    const std::uint16_t magnitude = vmaxvq_u16(largest);
    if constexpr (S == Stored::bf16) return magnitude >> 7;
    return static_cast<int>(__builtin_bit_cast(unsigned, element(&magnitude, Element::f16, 0)) >> 23);
  }

  // Weights i … i + 3 as integers.
  template <Stored S>
  static int32x4_t integers(const std::uint8_t* p, int i, float32x4_t multiplier) {
    if constexpr (S == Stored::e4m3) {
      std::uint32_t four;
      __builtin_memcpy(&four, p + i, 4);
      const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(four));
      const int32x4_t wide = vshlq_n_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))), 20);
      const uint32x4_t bits = vandq_u32(vreinterpretq_u32_s32(wide), vdupq_n_u32(0x87f00000u));
      const float32x4_t weights = vmulq_n_f32(vreinterpretq_f32_u32(bits), 0x1p120f);
      return vcvtnq_s32_f32(vmulq_f32(weights, multiplier));
    }
    const float32x4_t weights = load_floats(p, S == Stored::f16 ? Element::f16 : Element::bf16, i);
    return vcvtnq_s32_f32(vmulq_f32(weights, multiplier));
  }

  template <Stored S>
  static void align(const std::uint8_t* p, float multiplier, std::int16_t* words) {
    const float32x4_t by = vdupq_n_f32(multiplier);
    for (int i = 0; i < unit; i += 4) vst1_s16(words + i, vmovn_s32(integers<S>(p, i, by)));
  }

  static float dot(const std::int16_t* words, const float* scales, const std::int16_t* q, const float* d,
                   int units) {
    const int blocks = units / units_per_block;
    float32x4_t lanes[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    for (int b = 0; b < blocks; ++b) {
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; ++i) {
        int32x4_t t[4];
#pragma clang loop unroll(full)
        for (int l = 0; l < 4; ++l) {
          const std::int64_t at = (std::int64_t{counter_order[4 * i + l]} * blocks + b) * unit;
          int32x4_t low = vdupq_n_s32(0), high = low;
#pragma clang loop unroll(full)
          for (int k = 0; k < unit; k += 8) {
            const int16x8_t w = vld1q_s16(words + at + k), v = vld1q_s16(q + at + k);
            low = vmlal_s16(low, vget_low_s16(w), vget_low_s16(v));
            high = vmlal_high_s16(high, w, v);
          }
          t[l] = vaddq_s32(low, high);
        }
        const int32x4_t sums = vpaddq_s32(vpaddq_s32(t[0], t[1]), vpaddq_s32(t[2], t[3]));
        const int u = b * units_per_block + 4 * i;
        lanes[i] =
            vfmaq_f32(lanes[i], vcvtq_f32_s32(sums), vmulq_f32(vld1q_f32(scales + u), vld1q_f32(d + u)));
      }
    }
    return sum_by_halves(lanes);
  }
};

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  for (int u = 0; u < to.units; ++u) {
    float part[unit];
    const float* from = unit_of(x, to.columns, u, part);
    uint32x4_t most = vdupq_n_u32(0);
    float32x4_t sums[4];
    for (int i = 0; i < 4; ++i) {
      const float32x4_t a = vabsq_f32(vld1q_f32(from + 4 * i)), b = vabsq_f32(vld1q_f32(from + 16 + 4 * i));
      most = vmaxq_u32(most, vmaxq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
      sums[i] = vaddq_f32(vmulq_n_f32(a, sum_unit), vmulq_n_f32(b, sum_unit));
    }
    const unsigned bits = vmaxvq_u32(most);
    const Divisor by = divisor_of(bits, sum_by_halves(sums));
    to.scale[std::int64_t{row} * to.units + u] = by.scale;
    auto* words =
        static_cast<std::int16_t*>(to.q) + row * to.stride + std::int64_t{place_of(u, to.units)} * unit;
    const float32x4_t reciprocal = vdupq_n_f32(by.reciprocal);
    for (int i = 0; i < unit; i += 4) {
      const int32x4_t whole =
          by.zero ? vdupq_n_s32(0) : vcvtnq_s32_f32(vmulq_f32(vld1q_f32(from + i), reciprocal));
      vst1_s16(words + i, vmovn_s32(whole));
    }
  }
}

void gemm(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
          int end, void* scratch) {
  multiply_rows<Level>(w, x, y, y_stride, begin, end, scratch);
}

}  // namespace pome::kernels::blockfloat::neondot
