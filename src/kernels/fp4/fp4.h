// Matrix products with weights of 4-bit floats, read in place: y[M, N] = x[M, K]·Wᵀ, where W[n, k] = scale[n,
// k/group]·E2M1(code[n, k]). In modes mxfp4 (groups of 32, a power of two as scale) and nvfp4 (groups of 16,
// E4M3).
//
// Twice an E2M1 number is a whole one: 0, 1, 2, 3, 4, 6, 8, 12 or their negatives. So x is quantized as qmm.h
// does it, in groups of 32, and products are sums of integers, exact in any order:
//
//   v = fma(float(Σ q·2w), scale·d/2, v)
//
// for every 8 elements, lane l of sixteen taking those from 8l on of every 128, from first to last; the lanes
// are then added by halves (l with l + 8, those sums with + 4, + 2, + 1). That is the order whatever the
// number of rows, the split of N, the threads or the instruction set. Elements behind K count as zeros, and
// so does a group of mxfp4 whose scale is 2^-127. Groups of x with an infinity or NaN give NaN.
#pragma once

#include <optional>

#include "kernels/dense/mode_matrix.h"

namespace pome::kernels {

// A view of a checkpoint's tensors, of any alignment; owns nothing.
struct Fp4Matrix {
  const std::uint8_t* codes = nullptr;   // [rows, columns/2]: two to a byte, the lower half first
  const std::uint8_t* scales = nullptr;  // [rows, columns/group]
  int group = 32;                        // 32: scales are E8M0, 16: they are E4M3
  int rows = 0;                          // N
  int columns = 0;                       // K, a multiple of group
};

// Nothing for matrices of other modes.
std::optional<Fp4Matrix> fp4_view(const ModeMatrix& matrix);

// How quantize_activations() is to leave x.
ActivationFormat activation_format(const Fp4Matrix& w, Precision precision);

// Columns [begin, end) of y for all rows of x, on the calling thread; rows of y lie `y_stride` floats apart.
// Calls for different columns may run at once.
void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end);

}  // namespace pome::kernels
