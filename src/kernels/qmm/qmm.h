// Matrix products with weights in MLX's affine quantization, read in place: y[M, N] = x[M, K]·Wᵀ, where
// W[n, k] = scale[n, k/group]·code[n, k] + bias[n, k/group].
//
// Activations are first quantized: every `unit` = min(group, 64) elements of a row share a scale and become
// integers of 16 bits (standard) or 8 (fast). A unit's product with the codes is then an integer sum, exact
// in any order, and a float only afterwards:
//
//   v[u] = fma(bias, sum[u], float(Σ q·code) · (scale · d[u]))        d: the unit's scale, sum[u] = d·Σ q
//
// Floats are added in one order, whatever the number of rows, the split of N, the threads or the instruction
// set: the 16 units of a block by halves (u with u + 8, those sums with + 4, + 2, + 1), blocks from first to
// last. A row's outputs therefore have the same bits alone and in any batch, on every level.
//
// Units behind K count as zeros. Rows with an infinity or NaN in a unit give NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/element.h"

namespace pome {
class ThreadPool;
}

namespace pome::kernels {

// Views of a checkpoint's tensors, of any alignment; owns nothing.
struct QuantizedMatrix {
  const std::uint8_t* codes = nullptr;  // [rows, columns·bits/8]: a row is one little-endian stream of bits
  const void* scales = nullptr;         // [rows, columns/group]
  const void* biases = nullptr;         // [rows, columns/group]
  Element scale_type = Element::bf16;
  int bits = 4;     // 2, 3, 4, 5, 6, 8
  int group = 64;   // 32, 64, 128
  int rows = 0;     // N
  int columns = 0;  // K, a multiple of group
};

// Throws Error(unsupported) for bits or group that no kernel reads, Error(internal) for columns that are not
// a multiple of group. The functions below assume a matrix that passes.
void check(const QuantizedMatrix& matrix);

enum class Precision : std::uint8_t {
  standard,  // 16-bit activations: relative error about 1e-5
  fast,      // 8-bit activations: about 6e-3
};

// How a row of activations is stored for a matrix: matrices of one format share one quantization of x.
struct ActivationFormat {
  int unit = 64;       // elements under one scale
  int interleave = 4;  // codes in a lane of the weights (layout.h)
  int levels = 32767;  // largest magnitude of q
  bool bytes = false;  // q is of 8 bits: what fast needs where an instruction multiplies bytes
  bool operator==(const ActivationFormat&) const = default;
};

ActivationFormat activation_format(const QuantizedMatrix& matrix, Precision precision);

// Quantized rows in memory that somebody else owns.
struct Activations {
  ActivationFormat format;
  int rows = 0;
  int columns = 0;
  int units = 0;            // per row, with the zeros behind K: a multiple of 16
  std::int64_t stride = 0;  // elements from a row of q to the next
  void* q = nullptr;        // [rows, stride] of int16, or int8, in the order of layout.h
  float* scale = nullptr;   // [rows, units]: d
  float* sum = nullptr;     // [rows, units]: d·Σ q
};

std::size_t activation_bytes(const ActivationFormat& format, int rows, int columns);

// `memory`: activation_bytes(…), aligned to 64.
Activations lay_out_activations(const ActivationFormat& format, int rows, int columns, void* memory);

// Quantizes rows [begin, end) of x, whose rows lie `x_stride` floats apart.
void quantize_activations(const float* x, std::int64_t x_stride, const Activations& to, int begin, int end);

// Columns [begin, end) of y = x·Wᵀ for all rows of x, on the calling thread; rows of y lie `y_stride` floats
// apart. Calls for different columns may run at once.
void multiply(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end);

// The same, all rows or all columns, on a pool.
void quantize_activations(ThreadPool& pool, const float* x, std::int64_t x_stride, const Activations& to);
void multiply(ThreadPool& pool, const QuantizedMatrix& w, const Activations& x, float* y,
              std::int64_t y_stride);

}  // namespace pome::kernels
