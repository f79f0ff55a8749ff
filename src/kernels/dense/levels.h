// The levels of dense. All sum blocks of K as dense.h says. Functions: row.h.
#pragma once

#include "kernels/dense/dense.h"

namespace pome::kernels::dense {

inline constexpr int block = 1024;  // elements of K that are summed in lanes
inline constexpr int panel_rows = 16;
// Floats from row to row of a panel: not a power of two, which would crowd the rows into few cache sets.
inline constexpr int panel_stride = block + 16;

// A block of K for some rows of W, decoded: row n at w + n·stride, zeros from `count` up to the next multiple
// of 16.
struct Panel {
  const float* w;
  std::int64_t stride;
  int rows;
  int count;
};

#define POME_DENSE_LEVEL(level)                                                                 \
  namespace level {                                                                             \
  void add_panel(const Panel& panel, const float* x, std::int64_t x_stride, int rows, float* y, \
                 std::int64_t y_stride);                                                        \
  void gemv(const DenseMatrix& w, const float* x, float* y, int begin, int end);                \
  }

POME_DENSE_LEVEL(scalar)
POME_DENSE_LEVEL(avx2)
POME_DENSE_LEVEL(avx512vnni)
POME_DENSE_LEVEL(neondot)

#undef POME_DENSE_LEVEL

#define POME_DENSE_BF16_LEVEL(level)                                                                    \
  namespace level {                                                                                     \
  void round(const float* x, const Activations& to, int row);                                           \
  void multiply(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, \
                int end);                                                                               \
  }

POME_DENSE_BF16_LEVEL(scalar)
POME_DENSE_BF16_LEVEL(avx512bf16)
POME_DENSE_BF16_LEVEL(neonbf16)

namespace scalar {
// In the order of Arm's processors; multiply() has that of the others (dense.h).
void multiply_twos(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
                   int end);
}  // namespace scalar

#undef POME_DENSE_BF16_LEVEL

}  // namespace pome::kernels::dense
