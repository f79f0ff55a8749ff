// Matrix products in float32: y[M, N] = x[M, K]·Wᵀ for weights stored as floats, or for any weights decoded
// on the way (the "exact" precision of quantized models).
//
// One order of additions, whatever the number of rows, the split of N, the threads or the instruction set: a
// block of 1,024 elements of K is summed in 16 lanes, lane l taking the elements l, l + 16, l + 32 … one
// after the other with one rounding each (fused multiply-add); the lanes are then added by halves (l with l +
// 8, + 4, + 2, + 1) and the blocks from first to last. Elements behind K count as zeros.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/decode/decode.h"
#include "kernels/qmm/qmm.h"

namespace pome {
class ThreadPool;
}

namespace pome::kernels {

// A matrix [rows, columns] that can be asked for parts of its rows as floats. `decode` writes elements
// [begin, begin + count) of a row, begin a multiple of 1,024; it is called from several threads at once.
struct DecodedMatrix {
  void (*decode)(const void* matrix, int row, int begin, int count, float* out) = nullptr;
  const void* matrix = nullptr;
  int rows = 0;
  int columns = 0;
};

// Views; `matrix` must outlive them.
DecodedMatrix decoded(const QuantizedMatrix& matrix);
DecodedMatrix decoded(const DenseMatrix& matrix);

// Columns [begin, end) of y on the calling thread. x is float32 [rows, columns of w], its rows x_stride
// floats apart, those of y y_stride. Calls for different columns may run at once.
void multiply(const DecodedMatrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end);
void multiply(const DenseMatrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end);

// Quicker products take x as quantize_activations() leaves it. How they want it, of about `rows` rows at a
// time; nothing where there are floats alone. float16 and bfloat16 weights meet integers
// (blockfloat/blockfloat.h), but bfloat16 ones in `fast`, on levels with instructions for them, x rounded to
// bfloat16: relative error about 2e-3.
//
// Of these, on x86, lane l takes of every 32 elements the two at 2l: v = fma(w[2l + 1], x[2l + 1], v), then v
// = fma(w[2l], x[2l], v). On Arm there is one lane: v = v + (w[k]·x[k] + w[k + 1]·x[k + 1]) for every two
// elements, the product, both sums, each rounded to odd: cut off, and the last bit set where that lost
// anything. Denormals are taken and left as zeros. Otherwise the order is the one above. So a row's bits
// depend on nothing but itself here too, but processors of the other kind, and levels without such
// instructions, have other ones.
std::optional<ActivationFormat> activation_format(const DenseMatrix& w, Precision precision, int rows);
void round_activations(const float* x, std::int64_t x_stride, const Activations& to, int begin, int end);
void multiply(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end);

// All columns, on a pool.
void multiply(ThreadPool& pool, const DecodedMatrix& w, const float* x, std::int64_t x_stride, int rows,
              float* y, std::int64_t y_stride);
void multiply(ThreadPool& pool, const DenseMatrix& w, const float* x, std::int64_t x_stride, int rows,
              float* y, std::int64_t y_stride);

}  // namespace pome::kernels
