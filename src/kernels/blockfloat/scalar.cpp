// The twin that the other levels must equal bit for bit.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/blockfloat/levels.h"
#include "kernels/scalar.h"
#include "quant/small_floats.h"

namespace pome::kernels::blockfloat::scalar {
namespace {

float weight_at(const BlockFloatMatrix& w, std::int64_t i) {
  switch (w.stored) {
    case Stored::f16:
      return element(w.data, Element::f16, i);
    case Stored::bf16:
      return element(w.data, Element::bf16, i);
    case Stored::e4m3:
      return (w.data[i] & 0x7f) == 0x7f ? std::copysign(480.0f, w.data[i] & 0x80 ? -1.0f : 1.0f)
                                        : quant::e4m3_to_f32(w.data[i]);
  }
  return 0;
}

// Weights of one exponent as integers, and what these mean; NaN if one is not finite.
float align(Stored stored, const float (&weights)[exponent_weights],
            std::int32_t (&integers)[exponent_weights]) {
  std::uint32_t largest = 0;
  for (const float w : weights) largest = std::max(largest, std::bit_cast<std::uint32_t>(w) & 0x7fffffffu);
  auto exponent = static_cast<int>(largest >> 23);
  if (exponent == 255) return std::nanf("");
  if (stored == Stored::e4m3) exponent = std::max(exponent, least_e4m3_exponent);
  const float multiplier = std::bit_cast<float>(multiplier_bits(exponent));
  for (int i = 0; i < exponent_weights; ++i) {
    integers[i] = static_cast<std::int32_t>(std::nearbyint(weights[i] * multiplier));
  }
  return std::bit_cast<float>(meaning_bits(exponent));
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  auto* q = static_cast<std::int16_t*>(to.q) + row * to.stride;
  for (int u = 0; u < to.units; ++u) {
    std::int16_t* words = q + std::int64_t{place_of(u, to.units)} * unit;
    float part[unit] = {}, sums[16];
    const int count = std::clamp(to.columns - u * unit, 0, unit);
    for (int i = 0; i < count; ++i) part[i] = x[u * unit + i];
    std::uint32_t magnitude = 0;
    for (const float v : part) magnitude = std::max(magnitude, std::bit_cast<std::uint32_t>(v) & 0x7fffffffu);
    for (int l = 0; l < 16; ++l) sums[l] = std::abs(part[l]) * sum_unit + std::abs(part[l + 16]) * sum_unit;
    const float largest = std::bit_cast<float>(magnitude);
    const bool finite = std::isfinite(largest), there = finite && largest >= smallest_magnitude;
    const float d = std::max(largest * (1 / largest_x), sum_by_halves(sums) * (1 / (largest_sum * sum_unit)));
    const float reciprocal = 1 / d;
    for (int i = 0; i < unit; ++i) {
      words[i] = there ? static_cast<std::int16_t>(std::nearbyint(part[i] * reciprocal)) : std::int16_t{0};
    }
    to.scale[std::int64_t{row} * to.units + u] = there ? d : finite ? 0.0f : std::nanf("");
  }
}

void gemm(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
          int end, void* /*scratch*/) {
  for (int n = begin; n < end; ++n) {
    for (int m = 0; m < x.rows; ++m) {
      const auto* q = static_cast<const std::int16_t*>(x.q) + m * x.stride;
      const float* d = x.scale + std::int64_t{m} * x.units;
      float lanes[units_per_block] = {};
      for (int k = 0; k < x.units * unit; k += exponent_weights) {
        float weights[exponent_weights] = {};
        std::int32_t integers[exponent_weights] = {};
        const int count = std::clamp(w.columns - k, 0, exponent_weights);
        for (int i = 0; i < count; ++i) weights[i] = weight_at(w, std::int64_t{n} * w.columns + k + i);
        const float meaning = align(w.stored, weights, integers);
        for (int i = 0; i < exponent_weights; i += unit) {
          const int u = (k + i) / unit;
          const std::int16_t* words = q + std::int64_t{place_of(u, x.units)} * unit;
          std::int32_t sum = 0;
          for (int j = 0; j < unit; ++j) sum += integers[i + j] * words[j];
          float scale = meaning;
          if (w.stored == Stored::e4m3) {
            const int code = i < count ? w.scales[std::int64_t{n} * (w.columns / unit) + u] : 0;
            scale *= std::bit_cast<float>(static_cast<std::uint32_t>(code) << 23);
          }
          float& lane = lanes[u % units_per_block];
          lane = std::fma(static_cast<float>(sum), scale * d[u], lane);
        }
      }
      y[m * y_stride + n] = sum_by_halves(lanes);
    }
  }
}

}  // namespace pome::kernels::blockfloat::scalar
