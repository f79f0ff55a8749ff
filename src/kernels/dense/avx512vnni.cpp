// Tiles of 4 rows of x by 4 of W: 16 accumulators, eight loads for as many products. (More rows of x would
// not stay in the first-level cache: 6 by 4 is slower by a seventh.) Lanes run along K, so neither x nor W is
// rearranged, and the tile's sums are added across lanes once per block.
#include "kernels/avx512.h"
#include "kernels/dense/impl.h"

namespace pome::kernels::dense::avx512vnni {
namespace {

constexpr std::int64_t near_bytes = 2048, far_bytes = 8192;

struct Level {
  static constexpr int largest_rows = 4, largest_columns = 4;

  template <int Rows, int Columns>
  static void add_tile(const float* w, std::int64_t w_stride, int count, const float* x,
                       std::int64_t x_stride, float* y, std::int64_t y_stride) {
    __m512 sums[Rows][Columns];
#pragma clang loop unroll(full)
    for (int m = 0; m < Rows; ++m) {
#pragma clang loop unroll(full)
      for (int n = 0; n < Columns; ++n) sums[m][n] = _mm512_setzero_ps();
    }
    const auto step = [&](int k, __mmask16 mask) __attribute__((always_inline)) {
      __m512 weights[Columns];
#pragma clang loop unroll(full)
      for (int n = 0; n < Columns; ++n) weights[n] = _mm512_loadu_ps(w + n * w_stride + k);
#pragma clang loop unroll(full)
      for (int m = 0; m < Rows; ++m) {
        const __m512 v = _mm512_maskz_loadu_ps(mask, x + m * x_stride + k);
#pragma clang loop unroll(full)
        for (int n = 0; n < Columns; ++n) sums[m][n] = _mm512_fmadd_ps(weights[n], v, sums[m][n]);
      }
    };
    int k = 0;
    for (; k + 16 <= count; k += 16) step(k, 0xffff);
    if (k < count) step(k, first_lanes(count - k));
#pragma clang loop unroll(full)
    for (int m = 0; m < Rows; ++m) {
      float* to = y + m * y_stride;
      if constexpr (Columns == 4) {
        _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to),
                                     sum_four_by_halves(sums[m][0], sums[m][1], sums[m][2], sums[m][3])));
      } else {
        for (int n = 0; n < Columns; ++n) to[n] += sum_by_halves(sums[m][n]);
      }
    }
  }

  template <Element Type, int Columns>
  static void gemv_rows(const DenseMatrix& w, const float* x, float* y, int n) {
    const std::int64_t row_bytes = std::int64_t{w.columns} * element_bytes(Type);
    const std::uint8_t* first = static_cast<const std::uint8_t*>(w.data) + n * row_bytes;
    // The rows are read side by side, but asked for in the order of memory.
    const std::uint8_t* ahead = first + (Columns * row_bytes > near_bytes ? Columns * row_bytes : near_bytes);
    float totals[Columns] = {};
    for (int begin = 0; begin < w.columns; begin += block) {
      const int end = w.columns - begin < block ? w.columns : begin + block;
      __m512 sums[Columns];
#pragma clang loop unroll(full)
      for (int c = 0; c < Columns; ++c) sums[c] = _mm512_setzero_ps();
      for (int k = begin; k < end; k += 16) {
        const __mmask16 mask = first_lanes(end - k);
        const __m512 v = _mm512_maskz_loadu_ps(mask, x + k);
        constexpr int lines = Columns * 16 * element_bytes(Type);
#pragma clang loop unroll(full)
        for (int line = 0; line < lines; line += 64, ahead += 64) {
          _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
          _mm_prefetch(reinterpret_cast<const char*>(ahead + far_bytes), _MM_HINT_T1);
        }
#pragma clang loop unroll(full)
        for (int c = 0; c < Columns; ++c) {
          const std::uint8_t* from = first + c * row_bytes;
          sums[c] = _mm512_fmadd_ps(load_floats(from, Type, k, mask), v, sums[c]);
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

}  // namespace pome::kernels::dense::avx512vnni
