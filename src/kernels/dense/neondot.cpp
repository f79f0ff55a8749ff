// Tiles of 2 rows of x by 2 of W: 16 of the 32 registers accumulate, four for the 16 lanes of each sum. Lanes
// run along K, so neither x nor W is rearranged.
#include "kernels/dense/impl.h"
#include "kernels/neon.h"

namespace pome::kernels::dense::neondot {
namespace {

// Floats 4i … 4i + 3 at p, of which those before `count` are there, and zeros.
inline float32x4_t load_part(const float* p, int i, int count) {
  if (4 * i + 4 <= count) return vld1q_f32(p + 4 * i);
  float part[4] = {};
  for (int l = 4 * i; l < count; ++l) part[l - 4 * i] = p[l];
  return vld1q_f32(part);
}

struct Level {
  static constexpr int largest_rows = 2, largest_columns = 2;

  template <int Rows, int Columns>
  static void add_tile(const float* w, std::int64_t w_stride, int count, const float* x,
                       std::int64_t x_stride, float* y, std::int64_t y_stride) {
    float32x4_t sums[Rows][Columns][4];
#pragma clang loop unroll(full)
    for (int m = 0; m < Rows; ++m) {
#pragma clang loop unroll(full)
      for (int n = 0; n < Columns; ++n) {
        for (int i = 0; i < 4; ++i) sums[m][n][i] = vdupq_n_f32(0);
      }
    }
    const auto step = [&](int k, auto load_x) __attribute__((always_inline)) {
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; ++i) {
        float32x4_t weights[Columns];
#pragma clang loop unroll(full)
        for (int n = 0; n < Columns; ++n) weights[n] = vld1q_f32(w + n * w_stride + k + 4 * i);
#pragma clang loop unroll(full)
        for (int m = 0; m < Rows; ++m) {
          const float32x4_t v = load_x(x + m * x_stride + k, i);
#pragma clang loop unroll(full)
          for (int n = 0; n < Columns; ++n) sums[m][n][i] = vfmaq_f32(sums[m][n][i], weights[n], v);
        }
      }
    };
    int k = 0;
    for (; k + 16 <= count; k += 16) step(k, [](const float* p, int i) { return vld1q_f32(p + 4 * i); });
    if (k < count) step(k, [&](const float* p, int i) { return load_part(p, i, count - k); });
    for (int m = 0; m < Rows; ++m) {
      for (int n = 0; n < Columns; ++n) y[m * y_stride + n] += sum_by_halves(sums[m][n]);
    }
  }

  template <Element Type, int Columns>
  static void gemv_rows(const DenseMatrix& w, const float* x, float* y, int n) {
    const std::int64_t row_bytes = std::int64_t{w.columns} * element_bytes(Type);
    const std::uint8_t* first = static_cast<const std::uint8_t*>(w.data) + n * row_bytes;
    float totals[Columns] = {};
    for (int begin = 0; begin < w.columns; begin += block) {
      const int end = w.columns - begin < block ? w.columns : begin + block;
      float32x4_t sums[Columns][4];
      for (int c = 0; c < Columns; ++c) {
        for (int i = 0; i < 4; ++i) sums[c][i] = vdupq_n_f32(0);
      }
      int k = begin;
      for (; k + 16 <= end; k += 16) {
#pragma clang loop unroll(full)
        for (int i = 0; i < 4; ++i) {
          const float32x4_t v = vld1q_f32(x + k + 4 * i);
#pragma clang loop unroll(full)
          for (int c = 0; c < Columns; ++c) {
            sums[c][i] = vfmaq_f32(sums[c][i], load_floats(first + c * row_bytes, Type, k + 4 * i), v);
          }
        }
      }
      for (int c = 0; c < Columns && k < end; ++c) {
        float weights[16] = {};
        for (int i = 0; i < end - k; ++i) weights[i] = element(first + c * row_bytes, Type, k + i);
        for (int i = 0; i < 4; ++i) {
          sums[c][i] = vfmaq_f32(sums[c][i], vld1q_f32(weights + 4 * i), load_part(x + k, i, end - k));
        }
      }
      for (int c = 0; c < Columns; ++c) totals[c] += sum_by_halves(sums[c]);
    }
    for (int c = 0; c < Columns; ++c) y[n + c] = totals[c];
  }
};

}  // namespace

void add_panel(const Panel& panel, const float* x, std::int64_t x_stride, int rows, float* y,
               std::int64_t y_stride) {
  add_tiles<Level>(panel, x, x_stride, rows, y, y_stride);
}

void gemv(const DenseMatrix& w, const float* x, float* y, int begin, int end) {
  gemv_any<Level>(w, x, y, begin, end);
}

}  // namespace pome::kernels::dense::neondot
