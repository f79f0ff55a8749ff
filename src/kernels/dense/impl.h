// How tiles cover a panel, and groups of rows a stored matrix, for a level that says how each is computed.
//
// Level: largest_rows and largest_columns of a tile, rows of x and of W;
// add_tile<Rows, Columns>(w, w_stride, count, x, x_stride, y, y_stride), which adds the products of `count`
// elements to y, where W has zeros behind them as a Panel says and x need not;
// gemv_rows<Type, Columns>(w, x, y, n), which computes y[n] … y[n + Columns - 1].
#pragma once

#include "kernels/dense/levels.h"

namespace pome::kernels::dense {
namespace {

template <class Level, int Rows>
void add_rows(const Panel& panel, const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride) {
  constexpr int columns = Level::largest_columns;
  const auto w = [&](int n) { return panel.w + n * panel.stride; };
  int n = 0;
  for (; n + columns <= panel.rows; n += columns) {
    Level::template add_tile<Rows, columns>(w(n), panel.stride, panel.count, x, x_stride, y + n, y_stride);
  }
  for (; n < panel.rows; ++n) {
    Level::template add_tile<Rows, 1>(w(n), panel.stride, panel.count, x, x_stride, y + n, y_stride);
  }
}

template <class Level>
void add_tiles(const Panel& panel, const float* x, std::int64_t x_stride, int rows, float* y,
               std::int64_t y_stride) {
  constexpr int most = Level::largest_rows;
  int m = 0;
  for (; m + most <= rows; m += most) {
    add_rows<Level, most>(panel, x + m * x_stride, x_stride, y + m * y_stride, y_stride);
  }
  for (; m + 2 <= rows; m += 2) {
    add_rows<Level, 2>(panel, x + m * x_stride, x_stride, y + m * y_stride, y_stride);
  }
  for (; m < rows; ++m) {
    add_rows<Level, 1>(panel, x + m * x_stride, x_stride, y + m * y_stride, y_stride);
  }
}

template <class Level, Element Type>
void gemv_of(const DenseMatrix& w, const float* x, float* y, int begin, int end) {
  int n = begin;
  for (; n + 4 <= end; n += 4) Level::template gemv_rows<Type, 4>(w, x, y, n);
  for (; n < end; ++n) Level::template gemv_rows<Type, 1>(w, x, y, n);
}

template <class Level>
void gemv_any(const DenseMatrix& w, const float* x, float* y, int begin, int end) {
  switch (w.type) {
    case Element::f16:
      return gemv_of<Level, Element::f16>(w, x, y, begin, end);
    case Element::bf16:
      return gemv_of<Level, Element::bf16>(w, x, y, begin, end);
    case Element::f32:
      return gemv_of<Level, Element::f32>(w, x, y, begin, end);
  }
}

}  // namespace
}  // namespace pome::kernels::dense
