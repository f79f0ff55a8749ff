// How tiles of rows of x pass over panels of W, for a level that says how they are computed.
//
// Level: panel, the rows of W that stay in cache from one tile of x to the next;
// multiply_rows<Planes, Group, M>(w, x, m, y, y_stride, begin, end), columns [begin, end) of y for rows
// m … m + M - 1 of x, up to 4;
// for quantize_any, quantize_row<Planes>(x, to, row).
#pragma once

#include "kernels/fp4/levels.h"

namespace pome::kernels::fp4 {
namespace {

template <class Level, int Planes, int Group>
void multiply_of(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
                 int end) {
  const int panel = x.rows > 4 ? Level::panel : end - begin;
  for (int n = begin; n < end; n += panel) {
    const int last = end - n > panel ? n + panel : end;
    for (int m = 0; m < x.rows; m += 4) {
      switch (x.rows - m) {
        case 1:
          Level::template multiply_rows<Planes, Group, 1>(w, x, m, y, y_stride, n, last);
          break;
        case 2:
          Level::template multiply_rows<Planes, Group, 2>(w, x, m, y, y_stride, n, last);
          break;
        case 3:
          Level::template multiply_rows<Planes, Group, 3>(w, x, m, y, y_stride, n, last);
          break;
        default:
          Level::template multiply_rows<Planes, Group, 4>(w, x, m, y, y_stride, n, last);
          break;
      }
    }
  }
}

template <class Level>
void multiply_any(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
                  int end) {
  const bool fast = x.format.storage == Storage::fp4_bytes;
  if (w.group == 32) {
    return fast ? multiply_of<Level, 1, 32>(w, x, y, y_stride, begin, end)
                : multiply_of<Level, 2, 32>(w, x, y, y_stride, begin, end);
  }
  fast ? multiply_of<Level, 1, 16>(w, x, y, y_stride, begin, end)
       : multiply_of<Level, 2, 16>(w, x, y, y_stride, begin, end);
}

template <class Level>
void quantize_any(const float* x, const Activations& to, int row) {
  if (to.format.storage == Storage::fp4_bytes) return Level::template quantize_row<1>(x, to, row);
  Level::template quantize_row<2>(x, to, row);
}

}  // namespace
}  // namespace pome::kernels::fp4
