// The twin that the other levels must equal bit for bit.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/dense/levels.h"
#include "kernels/scalar.h"

namespace pome::kernels::dense::scalar {
namespace {

template <class WeightAt>
float sum_block(int count, const float* x, WeightAt weight_at) {
  float lanes[16] = {};
  for (int k = 0; k < (count + 15) / 16 * 16; ++k) {
    const bool there = k < count;
    lanes[k % 16] = std::fma(there ? weight_at(k) : 0.0f, there ? x[k] : 0.0f, lanes[k % 16]);
  }
  return sum_by_halves(lanes);
}

}  // namespace

void add_panel(const Panel& panel, const float* x, std::int64_t x_stride, int rows, float* y,
               std::int64_t y_stride) {
  for (int m = 0; m < rows; ++m) {
    for (int n = 0; n < panel.rows; ++n) {
      const float* w = panel.w + n * panel.stride;
      y[m * y_stride + n] += sum_block(panel.count, x + m * x_stride, [&](int k) { return w[k]; });
    }
  }
}

void gemv(const DenseMatrix& w, const float* x, float* y, int begin, int end) {
  for (int n = begin; n < end; ++n) {
    float total = 0;
    for (int k = 0; k < w.columns; k += block) {
      const std::int64_t first = std::int64_t{n} * w.columns + k;
      total += sum_block(std::min(block, w.columns - k), x + k,
                         [&](int i) { return element(w.data, w.type, first + i); });
    }
    y[n] = total;
  }
}

namespace {

float without_denormal(float v) { return std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(0.0f, v) : v; }

// One lane's step of a pair, as the instruction VDPBF16PS does it.
float add_pair(float sum, const std::uint16_t* a, const std::uint16_t* b) {
  for (int i = 1; i >= 0; --i) {
    const float product_of[] = {without_denormal(bf16_to_f32(a[i])), without_denormal(bf16_to_f32(b[i]))};
    sum = without_denormal(std::fma(product_of[0], product_of[1], without_denormal(sum)));
  }
  return sum;
}

// What BFMMLA makes of an exact number: `v`, or one slightly farther from zero. Cut off after 24 bits, the
// last of which says whether anything was lost.
float round_to_odd(double v, bool more) {
  if (!std::isfinite(v)) return static_cast<float>(v);
  if (std::fabs(v) < 0x1p-126) return static_cast<float>(std::copysign(0.0, v));
  constexpr std::uint64_t behind = (std::uint64_t{1} << 29) - 1;
  auto bits = std::bit_cast<std::uint64_t>(v);
  more = more || (bits & behind) != 0;
  bits &= ~behind;
  if (more) bits |= behind + 1;
  return static_cast<float>(std::bit_cast<double>(bits));
}

float add_to_odd(float a, float b) {
  const double sum = double{a} + double{b};
  if (!std::isfinite(sum)) return static_cast<float>(sum);
  // What rounding `sum` lost (D. Knuth's exact addition).
  const double rounded_b = sum - double{a};
  const double lost = (double{a} - (sum - rounded_b)) + (double{b} - rounded_b);
  const bool less = lost != 0 && (lost < 0) != (sum < 0);
  return round_to_odd(less ? std::nextafter(sum, 0.0) : sum, lost != 0);
}

// A step of two elements, as BFMMLA does it.
float add_two(float sum, const std::uint16_t* a, const std::uint16_t* b) {
  float products[2];
  for (int i = 0; i < 2; ++i) {
    products[i] = round_to_odd(
        double{without_denormal(bf16_to_f32(a[i]))} * double{without_denormal(bf16_to_f32(b[i]))}, false);
  }
  return add_to_odd(sum, add_to_odd(products[0], products[1]));
}

}  // namespace

void round(const float* x, const Activations& to, int row) {
  auto* q = static_cast<std::uint16_t*>(to.q) + row * to.stride;
  for (int k = 0; k < (to.columns + 31) / 32 * 32; ++k) {
    q[k] = k < to.columns ? f32_to_bf16(without_denormal(x[k])) : 0;
  }
}

void multiply(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  for (int m = 0; m < x.rows; ++m) {
    const auto* q = static_cast<const std::uint16_t*>(x.q) + m * x.stride;
    for (int n = begin; n < end; ++n) {
      const auto* weights = static_cast<const std::uint8_t*>(w.data) + std::int64_t{n} * w.columns * 2;
      float total = 0;
      for (int first = 0; first < w.columns; first += block) {
        float lanes[16] = {};
        for (int k = first; k < std::min(first + block, w.columns); k += 32) {
          std::uint16_t part[32] = {};
          std::memcpy(part, weights + std::int64_t{k} * 2,
                      static_cast<std::size_t>(std::min(32, w.columns - k)) * 2);
          for (int l = 0; l < 16; ++l) lanes[l] = add_pair(lanes[l], part + 2 * l, q + k + 2 * l);
        }
        total += sum_by_halves(lanes);
      }
      y[m * y_stride + n] = total;
    }
  }
}

void multiply_twos(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
                   int end) {
  for (int m = 0; m < x.rows; ++m) {
    const auto* q = static_cast<const std::uint16_t*>(x.q) + m * x.stride;
    for (int n = begin; n < end; ++n) {
      const auto* weights = static_cast<const std::uint8_t*>(w.data) + std::int64_t{n} * w.columns * 2;
      float total = 0;
      for (int first = 0; first < w.columns; first += block) {
        float sum = 0;
        for (int k = first; k < std::min(first + block, w.columns); k += 2) {
          std::uint16_t part[2] = {};
          std::memcpy(part, weights + std::int64_t{k} * 2,
                      static_cast<std::size_t>(std::min(2, w.columns - k)) * 2);
          sum = add_two(sum, part, q + k);
        }
        total += sum;
      }
      y[m * y_stride + n] = total;
    }
  }
}

}  // namespace pome::kernels::dense::scalar
