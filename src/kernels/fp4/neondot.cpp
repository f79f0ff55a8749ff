// NEON with dot products of signed bytes: 16 bytes of codes are four lanes, which in mxfp4 share a scale.
//
// Products of matrices of bytes (Armv8.6) would not help: a sum becomes a float after eight elements, one of
// their steps, and putting steps of several rows together again costs what they save.
#include "kernels/neon.h"

#include "kernels/fp4/impl.h"

namespace pome::kernels::fp4::neondot {
namespace {

constexpr int vector_bytes = 16;
constexpr int vectors = chunk / 2 / vector_bytes;

// 2·E2M1(code): bytes are signed here, and need no offset.
constexpr std::int8_t values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

inline float float_of_bits(std::uint32_t bits) {
  float v;
  __builtin_memcpy(&v, &bits, 4);
  return v;
}

template <int Group>
inline float scale_of(std::uint8_t code) {
  if constexpr (Group == 32) return float_of_bits(std::uint32_t{code} << 23);
  const std::uint32_t magnitude = code & 0x7fu;
  if (magnitude == 0x7f) return __builtin_nanf("");
  // Read as a float, exponent and mantissa are 2^-120 of what they mean, zero and subnormals too.
  const float value = float_of_bits(magnitude << 20) * 0x1p120f;
  return code > 0x7f ? -value : value;
}

// Of the four lanes of a vector.
template <int Group>
inline float32x4_t load_scales(const std::uint8_t* scales, int lane, int columns) {
  if constexpr (Group == 32) {
    return vdupq_n_f32(8 * lane < columns ? scale_of<Group>(scales[lane / 4]) : 0.0f);
  } else {
    const float first = 8 * lane < columns ? scale_of<Group>(scales[lane / 2]) : 0.0f;
    const float second = 8 * lane + 16 < columns ? scale_of<Group>(scales[lane / 2 + 1]) : 0.0f;
    return vcombine_f32(vdup_n_f32(first), vdup_n_f32(second));
  }
}

// Column n of y for rows m … m + M - 1 of x: codes and scales are decoded once for all of them.
template <int Planes, int Group, int M>
void multiply_column(const Fp4Matrix& w, const Activations& x, int m, int n, float* y,
                     std::int64_t y_stride) {
  const std::uint8_t* codes = w.codes + std::int64_t{n} * (w.columns / 2);
  const std::uint8_t* scales = w.scales + std::int64_t{n} * (w.columns / Group);
  const std::int64_t stride = x.stride * Planes;
  const std::int8_t* q = static_cast<const std::int8_t*>(x.q) + m * stride;
  const float* d = x.scale + std::int64_t{m} * x.units;
  const int8x16_t table_of_values = vld1q_s8(values);
  float32x4_t sums[M][vectors];
  for (auto& of_row : sums) {
    for (float32x4_t& sum : of_row) sum = vdupq_n_f32(0);
  }
  for (int k = 0; k < w.columns; k += chunk, q += chunk * Planes) {
    std::uint8_t part[chunk / 2] = {};
    const std::uint8_t* p = codes + k / 2;
    if (w.columns - k < chunk) {
      __builtin_memcpy(part, p, static_cast<unsigned>(w.columns - k) / 2);
      p = part;
    }
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; ++v) {
      const uint8x16_t pairs = vld1q_u8(p + v * vector_bytes);
      const int8x16_t even = vqtbl1q_s8(table_of_values, vandq_u8(pairs, vdupq_n_u8(15)));
      const int8x16_t odd = vqtbl1q_s8(table_of_values, vshrq_n_u8(pairs, 4));
      const int lane = k / 8 + 4 * v;
      const float32x4_t scale_of_w = load_scales<Group>(scales, lane, w.columns);
#pragma clang loop unroll(full)
      for (int r = 0; r < M; ++r) {
        int32x4_t t = vdupq_n_s32(0);
        for (int plane = 0; plane < Planes; ++plane) {
          const std::int8_t* from = q + r * stride + plane * chunk + v * vector_bytes;
          if (plane == 1) t = vshlq_n_s32(t, 8);
          t = vdotq_s32(vdotq_s32(t, even, vld1q_s8(from)), odd, vld1q_s8(from + chunk / 2));
        }
        const float32x4_t scale = vmulq_f32(scale_of_w, vld1q_f32(d + std::int64_t{r} * x.units + lane));
        sums[r][v] = vfmaq_f32(sums[r][v], vcvtq_f32_s32(t), scale);
      }
    }
  }
  for (int r = 0; r < M; ++r) y[(m + r) * y_stride + n] = sum_by_halves(sums[r]);
}

struct Level {
  static constexpr int panel = 16;

  template <int Planes, int Group, int M>
  static void multiply_rows(const Fp4Matrix& w, const Activations& x, int m, float* y, std::int64_t y_stride,
                            int begin, int end) {
    for (int n = begin; n < end; ++n) multiply_column<Planes, Group, M>(w, x, m, n, y, y_stride);
  }
};

}  // namespace

void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end) {
  multiply_any<Level>(w, x, y, y_stride, begin, end);
}

}  // namespace pome::kernels::fp4::neondot
