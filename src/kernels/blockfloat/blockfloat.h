// Matrix products with weights of 8 or 16 bits that are floats, read in place, by integers of 16 bits: y[M,
// N] = x[M, K]·Wᵀ. Twice as fast as products of floats on processors that multiply words.
//
// Weights become integers w' of one exponent ("block floating point"): with 2^E ≤ |w| < 2^(E+1) for the
// largest of 128 (of E4M3 without their groups' scales, and E at least -6), w' = w·2^(13 - E), rounded to
// even. bfloat16 down to 2^-6 of 2^E is met exactly, float16 down to 2^-3, E4M3 down to 2^-10. Activations
// share a scale by units of 32:
//
//   q = x/d, rounded to even, d = max(max |x|/16383, Σ |x|/131040),
//
// so that Σ q·w' is an integer below 2^31, exact in any order. Sixteen lanes add up, lane l the units l,
// l + 16, l + 32 … one after the other:
//
//   v = fma(float(Σ q·w'), 2^(E - 13)·d, v)
//
// and are then added by halves (l with l + 8, those sums with + 4, + 2, + 1). This is the order whatever the
// number of rows, the split of N, the threads or the instruction set. Relative error about 6e-5. Elements
// behind K count as zeros, and so do weights where E < -113 and units of x below 2^-100. An infinity or NaN
// among weights or activations that share a scale gives NaN, but E4M3's NaN counts as 480.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/dense/mode_matrix.h"

namespace pome::kernels {

// A view of a checkpoint's tensors, of any alignment; owns nothing.
struct BlockFloatMatrix {
  enum class Stored : std::uint8_t { f16, bf16, e4m3 };
  const std::uint8_t* data = nullptr;    // [rows, columns]
  const std::uint8_t* scales = nullptr;  // [rows, columns/32] E8M0, of E4M3 only
  Stored stored = Stored::bf16;
  int rows = 0;     // N
  int columns = 0;  // K; of E4M3 a multiple of 32
};

// Nothing for matrices of other elements or modes (float32; anything but mxfp8).
std::optional<BlockFloatMatrix> block_float_view(const DenseMatrix& matrix);
std::optional<BlockFloatMatrix> block_float_view(const ModeMatrix& matrix);

// How quantize_activations() is to leave x for products of about `rows` rows at a time: it decides what is
// quick, not what comes out. Nothing for matrices of few outputs, which cost little as floats: routers and
// gates are among them, whose choices may turn on less than an integer's error.
std::optional<ActivationFormat> activation_format(const BlockFloatMatrix& w, int rows);

// Columns [begin, end) of y for all rows of x, on the calling thread; rows of y lie `y_stride` floats apart.
// Calls for different columns may run at once.
void multiply(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end);

}  // namespace pome::kernels
