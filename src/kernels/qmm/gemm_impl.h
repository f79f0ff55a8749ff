// The walk of gemm, for a level that says how panels are filled and tiles multiplied.
//
// Some panels of W, whole in K, are unpacked; then tiles of a few rows of x pass over them, so that a tile
// of y is finished in one go and x is read once per pass. Filling a panel costs about as much as multiplying
// two rows by it.
#pragma once

#include "kernels/qmm/layout.h"

namespace pome::kernels::qmm {
namespace {

// A panel as panel_bytes() counts it.
struct Panel {
  void* codes;
  float* scales;
  float* biases;
  std::int32_t* pair_products;
};

// Bytes that will be read next, to be asked for while something is computed.
struct Ahead {
  const std::uint8_t* at;
  const std::uint8_t* end;
};

// Rows of x that start at row `first`, and where their products with one panel go.
struct Tile {
  const Activations& x;
  int first;
  float* y;  // of the first row and the panel's first column
  std::int64_t y_stride;
  int columns;
  Ahead ahead;
};

// Tiles of nearly equal size: one row alone would leave most accumulators idle.
inline int rows_of_next_tile(int rows, int largest) {
  const int tiles = (rows + largest - 1) / largest;
  return (rows + tiles - 1) / tiles;
}

// Level::multiply for tiles of up to 4 rows: multiply_tile<Rows>(panel, tile).
template <class Level>
inline void multiply_up_to_four(const Panel& panel, const Tile& tile, int rows) {
  switch (rows) {
    case 1:
      return Level::template multiply_tile<1>(panel, tile);
    case 2:
      return Level::template multiply_tile<2>(panel, tile);
    case 3:
      return Level::template multiply_tile<3>(panel, tile);
    default:
      return Level::template multiply_tile<4>(panel, tile);
  }
}

// Level: panel_rows; largest_tile; bytes; fill(panel, w, x, first_row); multiply(panel, tile, rows).
template <class Level>
inline void walk_panels(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride,
                        int begin, int end, void* scratch, int most_panels = 1 << 30) {
  constexpr int panel_rows = Level::panel_rows;
  const std::int64_t one = panel_bytes(panel_rows, x, Level::bytes);
  const std::int64_t scales = std::int64_t{panel_rows} * x.units;
  const int at_once = panels_at_once(one) < most_panels ? panels_at_once(one) : most_panels;
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * w.bits;
  const std::int64_t x_bytes = x.stride * x.format.element_bytes();
  const auto panel = [&](int i) {
    auto* bytes = static_cast<std::uint8_t*>(scratch) + i * one;
    auto* floats = reinterpret_cast<float*>(bytes + one - 12 * scales);
    return Panel{bytes, floats, floats + scales, reinterpret_cast<std::int32_t*>(floats + 2 * scales)};
  };
  for (int n = begin; n < end;) {
    int panels = 0;
    for (; panels < at_once && n + panels * panel_rows < end; ++panels) {
      Level::fill(panel(panels), w, x, n + panels * panel_rows);
    }
    const int next = n + panels * panel_rows;
    const int last = next + panels * panel_rows < w.rows ? next + panels * panel_rows : w.rows;
    for (int m = 0, rows = 0; m < x.rows; m += rows) {
      rows = rows_of_next_tile(x.rows - m, Level::largest_tile);
      // The next tile's rows of x, behind the last tile the codes of the next panels: most often this
      // thread's next call begins where this one ends.
      const bool more = m + rows < x.rows;
      const std::uint8_t* ahead =
          more ? static_cast<const std::uint8_t*>(x.q) + (m + rows) * x_bytes : w.codes + next * row_bytes;
      const std::int64_t bytes_ahead =
          more          ? rows_of_next_tile(x.rows - m - rows, Level::largest_tile) * x_bytes
          : next < last ? (last - next) * row_bytes
                        : 0;
      for (int i = 0; i < panels; ++i) {
        const int column = n + i * panel_rows;
        const int columns = end - column < panel_rows ? end - column : panel_rows;
        const Ahead part = {ahead + bytes_ahead * i / panels, ahead + bytes_ahead * (i + 1) / panels};
        Level::multiply(panel(i), Tile{x, m, y + m * y_stride + column, y_stride, columns, part}, rows);
      }
    }
    n = next;
  }
}

}  // namespace
}  // namespace pome::kernels::qmm
