// The twin that the other levels must equal bit for bit.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/fp4/levels.h"
#include "kernels/scalar.h"
#include "quant/small_floats.h"

namespace pome::kernels::fp4::scalar {
namespace {

// Where element k's byte stands in a row of x with `planes` of them; the low byte is 128 behind the high one.
std::int64_t stored_at(std::int64_t k, int planes) {
  return k / chunk * chunk * planes + k % 2 * (chunk / 2) + k % chunk / 2;
}

int planes_of(const Activations& x) { return x.format.storage == Storage::fp4_planes ? 2 : 1; }

float scale_at(const Fp4Matrix& w, std::int64_t group) {
  const std::uint8_t code = w.scales[group];
  if (w.group == 16) return quant::e4m3_to_f32(code);
  return std::bit_cast<float>(std::uint32_t{code} << 23);
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  const int planes = planes_of(to);
  auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * planes;
  float* scales = to.scale + std::int64_t{row} * to.units;
  float* sums = to.sum + std::int64_t{row} * to.units;
  const auto levels = static_cast<float>(to.format.levels);
  for (int k = 0; k < to.units * 8; k += group_of_x) {
    std::uint32_t magnitude = 0;
    const int count = std::clamp(to.columns - k, 0, group_of_x);
    for (int i = 0; i < count; ++i) {
      magnitude = std::max(magnitude, std::bit_cast<std::uint32_t>(x[k + i]) & 0x7fffffffu);
    }
    const float largest = std::bit_cast<float>(magnitude);
    const bool finite = std::isfinite(largest), there = finite && largest >= smallest_magnitude;
    const float reciprocal = levels / largest;
    for (int unit = k / 8; unit < (k + group_of_x) / 8; ++unit) {
      int sum = 0;
      for (int i = unit * 8; i < unit * 8 + 8; ++i) {
        const int value = there && i < k + count ? static_cast<int>(std::nearbyint(x[i] * reciprocal)) : 0;
        std::int8_t* at = q + stored_at(i, planes);
        if (planes == 2) {
          at[0] = static_cast<std::int8_t>((value + 128) >> 8);
          at[chunk] = static_cast<std::int8_t>(value);
        } else {
          at[0] = static_cast<std::int8_t>(value);
        }
        sum += value;
      }
      scales[unit] = there ? largest / levels * 0.5f : finite ? 0.0f : std::nanf("");
      sums[unit] = static_cast<float>(-offset * sum);
    }
  }
}

void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end) {
  const int planes = planes_of(x);
  for (int m = 0; m < x.rows; ++m) {
    const auto* q = static_cast<const std::int8_t*>(x.q) + m * x.stride * planes;
    const float* scales = x.scale + std::int64_t{m} * x.units;
    const float* sums = x.sum + std::int64_t{m} * x.units;
    for (int n = begin; n < end; ++n) {
      const std::uint8_t* codes = w.codes + std::int64_t{n} * (w.columns / 2);
      float lanes[16] = {};
      for (int unit = 0; unit < x.units; ++unit) {
        int products = 0;
        for (int k = unit * 8; k < unit * 8 + 8; ++k) {
          const std::int8_t* at = q + stored_at(k, planes);
          const int value = planes == 2 ? 256 * at[0] + at[chunk] : at[0];
          products += value * table[k < w.columns ? code_at(codes, 4, k) : 0];
        }
        const bool there = unit * 8 < w.columns;
        const float scale =
            there ? scale_at(w, std::int64_t{n} * (w.columns / w.group) + unit * 8 / w.group) : 0.0f;
        float& lane = lanes[unit % 16];
        lane = std::fma(static_cast<float>(products) + sums[unit], scale * scales[unit], lane);
      }
      y[m * y_stride + n] = sum_by_halves(lanes);
    }
  }
}

}  // namespace pome::kernels::fp4::scalar
