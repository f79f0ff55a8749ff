// The twin that the other levels must equal bit for bit.
#include <algorithm>
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

}  // namespace pome::kernels::dense::scalar
