#include "kernels/neon.h"

#include "kernels/decode/impl.h"

namespace pome::kernels::decode::neondot {
namespace {

struct Level {
  static constexpr int codes_at_once = 16;

  template <int Bits>
  static void decode(const std::uint8_t* p, std::int64_t left, float scale, float bias, float* out) {
    const float32x4_t biases = vdupq_n_f32(bias);
    const uint8x16_t bytes = natural_codes<Bits>(p, left);
    const uint16x8_t halves[2] = {vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes))};
    for (int i = 0; i < 4; ++i) {
      const uint16x8_t half = halves[i / 2];
      const uint32x4_t whole = vmovl_u16(i % 2 == 0 ? vget_low_u16(half) : vget_high_u16(half));
      vst1q_f32(out + 4 * i, vaddq_f32(vmulq_n_f32(vcvtq_f32_u32(whole), scale), biases));
    }
  }
};

}  // namespace

void affine(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  affine_any<Level>(matrix, row, begin, count, out);
}

void floats(const void* data, Element type, std::int64_t first, int count, float* out) {
  int i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(out + i, load_floats(data, type, first + i));
  for (; i < count; ++i) out[i] = element(data, type, first + i);
}

void e2m1(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  // 0, 1/2, 1, 3/2, 2, 3, 4, 6 and their negatives as bfloat16: the upper bytes and the lower ones.
  static constexpr std::uint8_t upper_bytes[16] = {0x00, 0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40,
                                                   0x80, 0xbf, 0xbf, 0xbf, 0xc0, 0xc0, 0xc0, 0xc0};
  static constexpr std::uint8_t lower_bytes[16] = {0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0,
                                                   0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0};
  const uint8x16_t upper = vld1q_u8(upper_bytes), lower = vld1q_u8(lower_bytes);
  for (int i = 0; i < count; i += 16) {
    const uint8x8_t bytes = vld1_u8(codes + i / 2);
    const uint8x8_t even = vand_u8(bytes, vdup_n_u8(15)), odd = vshr_n_u8(bytes, 4);
    const uint8x16_t indices = vcombine_u8(vzip1_u8(even, odd), vzip2_u8(even, odd));
    const uint8x16_t high = vqtbl1q_u8(upper, indices), low = vqtbl1q_u8(lower, indices);
    const uint16x8_t halves[2] = {vreinterpretq_u16_u8(vzip1q_u8(low, high)),
                                  vreinterpretq_u16_u8(vzip2q_u8(low, high))};
    for (int v = 0; v < 4; ++v) {
      const uint16x8_t half = halves[v / 2];
      const uint32x4_t bits = vshll_n_u16(v % 2 == 0 ? vget_low_u16(half) : vget_high_u16(half), 16);
      vst1q_f32(out + i + 4 * v, vmulq_n_f32(vreinterpretq_f32_u32(bits), scales[i / group]));
    }
  }
}

void e4m3(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  for (int i = 0; i < count; i += 8) {
    const uint16x8_t wide = vmovl_u8(vld1_u8(codes + i));
    const uint16x8_t magnitude = vandq_u16(wide, vdupq_n_u16(0x7f));
    const uint16x8_t sign = vandq_u16(vshlq_n_u16(wide, 8), vdupq_n_u16(0x8000));
    // Read as a float16, exponent and mantissa are 2^-8 of what they mean, zero and subnormals too.
    const uint16x8_t number = vorrq_u16(vshlq_n_u16(magnitude, 7), sign);
    const uint16x8_t nan = vceqq_u16(magnitude, vdupq_n_u16(0x7f));
    const float16x8_t halves = vreinterpretq_f16_u16(vbslq_u16(nan, vdupq_n_u16(0x7e00), number));
    const float32x4_t low = vmulq_n_f32(vcvt_f32_f16(vget_low_f16(halves)), 256);
    const float32x4_t high = vmulq_n_f32(vcvt_high_f32_f16(halves), 256);
    vst1q_f32(out + i, vmulq_n_f32(low, scales[i / group]));
    vst1q_f32(out + i + 4, vmulq_n_f32(high, scales[i / group]));
  }
}

}  // namespace pome::kernels::decode::neondot
