// The levels of qmm, one row of functions each.
#pragma once

#include <algorithm>
#include <span>

#include "kernels/isa.h"
#include "kernels/qmm/layout.h"
#include "kernels/qmm/qmm.h"

namespace pome::kernels::qmm {

// Rows and columns as in qmm.h; gemv computes row `row` of x, gemm all of them. Both give the same bits.
struct Row {
  Isa isa;
  Storage standard, fast;            // what gemv multiplies
  Storage rows_standard, rows_fast;  // what gemm does
  int panel_rows;
  bool pairs;  // gemm multiplies by pairs where that pays (layout.h)
  void (*quantize)(const float* x, const Activations& to, int row);
  void (*gemv)(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end);
  // Any number of rows where they are stored unit by unit. scratch: room for panels_at_once() panels
  // (layout.h), aligned to 64.
  void (*gemm)(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
               int end, void* scratch);
};

// Lowest level first.
std::span<const Row> rows();

// The format that a level wants, and the parts of multiply() and quantize_activations() with the level given,
// for tests and benchmarks.
ActivationFormat activation_format(const Row& row, const QuantizedMatrix& matrix, Precision precision,
                                   int rows);
void quantize(const Row& row, const float* x, std::int64_t x_stride, const Activations& to, int begin,
              int end);
void multiply(const Row& row, const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride,
              int begin, int end);

// Columns [begin, end) of one row, and the zeros behind the last column: each part looks like a row of its
// own to the functions that quantize, and begins at column `first` of the row.
template <class Use>
void for_each_part(const Activations& row, int begin, int end, Use use) {
  const bool words = row.format.storage == Storage::words;
  const bool planes = row.format.storage == Storage::planes || row.format.storage == Storage::bytes;
  const int unit = row.format.unit, block = units_per_block * unit, deal = row.format.interleave;
  const int chunk = planes ? std::max(64 * deal, unit) : block;  // within which elements are dealt out
  const int stop = end == row.columns ? row.units * unit : end;
  for (int first = begin, last = begin; first < stop; first = last) {
    last = std::min((first / chunk + 1) * chunk, stop);
    const int in_block = first % block, in_chunk = planes ? first % chunk : 0;
    Activations part = row;
    part.columns = std::clamp(row.columns - first, 0, last - first);
    part.units = (last - first) / unit;
    part.q = static_cast<std::uint8_t*>(row.q) + std::int64_t{first - in_block} * row.format.element_bytes() +
             (in_block - in_chunk + in_chunk / deal) * (words ? 2 : 1);
    part.scale += first / unit;
    part.sum += first / unit;
    use(part, first);
  }
}

}  // namespace pome::kernels::qmm
