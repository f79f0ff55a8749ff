// The twin that the other levels must equal bit for bit.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/qmm/layout.h"
#include "kernels/qmm/levels.h"
#include "kernels/scalar.h"

namespace pome::kernels::qmm::scalar {
void quantize(const float* x, const Activations& to, int row) {
  const int unit = to.format.unit, interleave = to.format.interleave, levels = to.format.levels;
  std::int16_t* q = static_cast<std::int16_t*>(to.q) + row * to.stride;
  std::fill_n(q, static_cast<std::int64_t>(to.units) * unit, std::int16_t{0});
  for (int u = 0; u < to.units; ++u) {
    const std::int64_t at = static_cast<std::int64_t>(row) * to.units + u;
    const std::int64_t first = static_cast<std::int64_t>(u) * unit;
    to.scale[at] = to.sum[at] = 0;
    if (first >= to.columns) continue;
    std::uint32_t magnitude = 0;
    for (int i = 0; i < unit; ++i) {
      magnitude = std::max(magnitude, std::bit_cast<std::uint32_t>(x[first + i]) & 0x7fffffffu);
    }
    const float largest = std::bit_cast<float>(magnitude);
    if (!std::isfinite(largest)) {
      to.scale[at] = to.sum[at] = std::nanf("");
    } else if (largest >= smallest_magnitude) {
      const float d = largest / static_cast<float>(levels);
      const float reciprocal = static_cast<float>(levels) / largest;
      int sum = 0;
      for (int i = 0; i < unit; ++i) {
        const auto value = static_cast<std::int16_t>(std::nearbyint(x[first + i] * reciprocal));
        q[stored_at(interleave, first + i)] = value;
        sum += value;
      }
      to.scale[at] = d;
      to.sum[at] = d * static_cast<float>(sum);
    }
  }
}

void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  const int unit = x.format.unit;
  const std::int16_t* q = static_cast<const std::int16_t*>(x.q) + row * x.stride;
  const float* d = x.scale + static_cast<std::int64_t>(row) * x.units;
  const float* sum = x.sum + static_cast<std::int64_t>(row) * x.units;
  for (int n = begin; n < end; ++n) {
    const std::uint8_t* codes = w.codes + static_cast<std::int64_t>(n) * w.columns / 8 * w.bits;
    float lanes[units_per_block] = {};
    for (int u = 0; u < x.units; ++u) {
      const std::int64_t first = static_cast<std::int64_t>(u) * unit;
      float& lane = lanes[u % units_per_block];
      if (first >= w.columns) {
        lane += 0.0f;
        continue;
      }
      std::int32_t products = 0;
      for (std::int64_t k = first; k < first + unit; ++k) {
        products += code_at(codes, w.bits, k) * q[stored_at(x.format.interleave, k)];
      }
      const std::int64_t group = static_cast<std::int64_t>(n) * (w.columns / w.group) + first / w.group;
      lane = std::fma(static_cast<float>(products), element(w.scales, w.scale_type, group) * d[u], lane);
      lane = std::fma(element(w.biases, w.scale_type, group), sum[u], lane);
    }
    y[n] = sum_by_halves(lanes);
  }
}

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* /*scratch*/) {
  for (int row = 0; row < x.rows; ++row) gemv(w, x, row, y + row * y_stride, begin, end);
}

}  // namespace pome::kernels::qmm::scalar
