// Tiles of 3 rows of x by 2 of W: 12 of the 16 registers accumulate, two for the 16 lanes of each sum. Lanes
// run along K, so neither x nor W is rearranged.
#include "kernels/avx2.h"
#include "kernels/dense/impl.h"

namespace pome::kernels::dense::avx2 {
namespace {

constexpr int prefetch_bytes = 4096;

// Floats 0 … 7 at p of which `count` are there, zero from there on.
inline __m256 load_part(const float* p, int count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes));
}

struct Level {
  static constexpr int largest_rows = 3, largest_columns = 2;

  template <int Rows, int Columns>
  static void add_tile(const float* w, std::int64_t w_stride, int count, const float* x,
                       std::int64_t x_stride, float* y, std::int64_t y_stride) {
    __m256 sums[Rows][Columns][2];
#pragma clang loop unroll(full)
    for (int m = 0; m < Rows; ++m) {
#pragma clang loop unroll(full)
      for (int n = 0; n < Columns; ++n) sums[m][n][0] = sums[m][n][1] = _mm256_setzero_ps();
    }
    int k = 0;
    for (; k + 16 <= count; k += 16) {
#pragma clang loop unroll(full)
      for (int h = 0; h < 2; ++h) {
        __m256 weights[Columns];
#pragma clang loop unroll(full)
        for (int n = 0; n < Columns; ++n) weights[n] = _mm256_loadu_ps(w + n * w_stride + k + 8 * h);
#pragma clang loop unroll(full)
        for (int m = 0; m < Rows; ++m) {
          const __m256 v = _mm256_loadu_ps(x + m * x_stride + k + 8 * h);
#pragma clang loop unroll(full)
          for (int n = 0; n < Columns; ++n) sums[m][n][h] = _mm256_fmadd_ps(weights[n], v, sums[m][n][h]);
        }
      }
    }
    if (k < count) {
      for (int h = 0; h < 2; ++h) {
        for (int m = 0; m < Rows; ++m) {
          const __m256 v = load_part(x + m * x_stride + k + 8 * h, count - k - 8 * h);
          for (int n = 0; n < Columns; ++n) {
            sums[m][n][h] = _mm256_fmadd_ps(_mm256_loadu_ps(w + n * w_stride + k + 8 * h), v, sums[m][n][h]);
          }
        }
      }
    }
    for (int m = 0; m < Rows; ++m) {
      for (int n = 0; n < Columns; ++n) y[m * y_stride + n] += sum_by_halves(sums[m][n][0], sums[m][n][1]);
    }
  }

  template <Element Type, int Columns>
  static void gemv_rows(const DenseMatrix& w, const float* x, float* y, int n) {
    const std::int64_t row_bytes = std::int64_t{w.columns} * element_bytes(Type);
    const std::uint8_t* first = static_cast<const std::uint8_t*>(w.data) + n * row_bytes;
    float totals[Columns] = {};
    for (int begin = 0; begin < w.columns; begin += block) {
      const int end = w.columns - begin < block ? w.columns : begin + block;
      __m256 sums[Columns][2];
#pragma clang loop unroll(full)
      for (int c = 0; c < Columns; ++c) sums[c][0] = sums[c][1] = _mm256_setzero_ps();
      int k = begin;
      for (; k + 16 <= end; k += 16) {
        const __m256 v[2] = {_mm256_loadu_ps(x + k), _mm256_loadu_ps(x + k + 8)};
#pragma clang loop unroll(full)
        for (int c = 0; c < Columns; ++c) {
          const std::uint8_t* from = first + c * row_bytes;
          _mm_prefetch(
              reinterpret_cast<const char*>(from + std::int64_t{k} * element_bytes(Type) + prefetch_bytes),
              _MM_HINT_T0);
#pragma clang loop unroll(full)
          for (int h = 0; h < 2; ++h) {
            sums[c][h] = _mm256_fmadd_ps(load_floats(from, Type, k + 8 * h), v[h], sums[c][h]);
          }
        }
      }
      if (k < end) {
        for (int c = 0; c < Columns; ++c) {
          alignas(32) float weights[16] = {};
          for (int i = 0; i < end - k; ++i) weights[i] = element(first + c * row_bytes, Type, k + i);
          for (int h = 0; h < 2; ++h) {
            sums[c][h] = _mm256_fmadd_ps(_mm256_load_ps(weights + 8 * h),
                                         load_part(x + k + 8 * h, end - k - 8 * h), sums[c][h]);
          }
        }
      }
      for (int c = 0; c < Columns; ++c) totals[c] += sum_by_halves(sums[c][0], sums[c][1]);
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

}  // namespace pome::kernels::dense::avx2
