// Matrix products with weights in MLX's affine quantization, read in place: y[M, N] = x[M, K]·Wᵀ, where
// W[n, k] = scale[n, k/group]·code[n, k] + bias[n, k/group].
//
// Activations are first quantized: every `unit` = min(group, 64) elements of a row share a scale and become
// integers of 16 bits (standard) or 8 (fast). A unit's product with the codes is then an integer sum, exact
// in any order, and a float only afterwards. Sixteen lanes add up, lane l the units l, l + 16, l + 32 … one
// after the other:
//
//   v = fma(float(Σ q·code), scale · d[u], v)
//   v = fma(bias, sum[u], v)                          d[u]: the unit's scale, sum[u] = d[u]·Σ q
//
// and the lanes are added by halves (l with l + 8, those sums with + 4, + 2, + 1). This is the order whatever
// the number of rows, the split of N, the threads or the instruction set: a row's outputs have the same bits
// alone and in any batch, on every level.
//
// Units behind K, up to a multiple of 16, count as zeros. Rows with an infinity or NaN in a unit give NaN.
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
  fast,      // 8-bit activations: about 7e-3
};

// How quantized activations are kept, as a level of instructions wants them.
enum class Storage : std::uint8_t {
  words,         // of 16 bits
  bytes,         // of 8 bits: fast only
  planes,        // 16 bits as a high and a low byte, for instructions that multiply bytes
  unit_words,    // of 16 bits, unit by unit: for products of several rows
  unit_bytes,    // of 8 bits, unit by unit: fast only
  unit_split,    // 16 bits as a unit's high bytes and then its low ones, unit by unit
  unit_planes,   // 16 bits as eight high bytes and eight low ones in turn, unit by unit
  fp4_bytes,     // for 4-bit floats (fp4.h): of 8 bits
  fp4_planes,    // the same, of 16 bits
  block_words,   // for stored floats by integers (blockfloat.h): of 16 bits
  block_dwords,  // the same, of 32, of which the high word is zero: for one row
  bf16,          // bfloat16 and no integers, for dense matrices (dense.h): fast only
};

constexpr bool unit_by_unit(Storage s) { return s >= Storage::unit_words && s <= Storage::unit_planes; }
constexpr bool has_pair_products(Storage s) { return unit_by_unit(s) || s == Storage::block_words; }

// How a row of activations is stored for a matrix: matrices of one format share one quantization of x.
struct ActivationFormat {
  int unit = 64;       // elements under one scale
  int interleave = 4;  // codes in a lane of the weights (layout.h)
  int levels = 32639;  // largest magnitude of q
  Storage storage = Storage::words;
  bool pairs = false;  // two products by one multiplication (layout.h)
  bool operator==(const ActivationFormat&) const = default;
  bool integers() const { return storage < Storage::bf16; }
  int element_bytes() const {
    switch (storage) {
      case Storage::bytes:
      case Storage::unit_bytes:
      case Storage::fp4_bytes:
        return 1;
      case Storage::block_dwords:
        return 4;
      default:
        return 2;
    }
  }
};

// For products of about `rows` rows at a time: it decides what is quick, not what comes out.
ActivationFormat activation_format(const QuantizedMatrix& matrix, Precision precision, int rows);

// Quantized rows in memory that somebody else owns.
struct Activations {
  ActivationFormat format;
  int rows = 0;
  int columns = 0;
  int units = 0;                          // per row, with the zeros behind K: a multiple of 16
  std::int64_t stride = 0;                // elements from a row of q to the next
  void* q = nullptr;                      // [rows, stride] elements in the order of layout.h
  float* scale = nullptr;                 // [rows, units]: d; of integers only
  float* sum = nullptr;                   // [rows, units]: d·Σ q; the same
  std::int32_t* pair_products = nullptr;  // [rows, units], if has_pair_products()
};

std::size_t activation_bytes(const ActivationFormat& format, int rows, int columns);

// `memory`: activation_bytes(…), aligned to 64.
Activations lay_out_activations(const ActivationFormat& format, int rows, int columns, void* memory);

// Rows [begin, end) of quantized activations; a view.
Activations slice(const Activations& x, int begin, int end);

// Quantizes rows [begin, end) of x, whose rows lie `x_stride` floats apart.
void quantize_activations(const float* x, std::int64_t x_stride, const Activations& to, int begin, int end);

// So many columns of a row are quantized apart from others; 0: only the whole row at once.
int columns_together(const ActivationFormat& format);

// Columns [begin, end) of row `row`, x being the first of them. `begin` is a multiple of columns_together(),
// and so is `end`, or it is the last. Calls for different columns may run at once.
void quantize_columns(const float* x, const Activations& to, int row, int begin, int end);

// Columns [begin, end) of y = x·Wᵀ for all rows of x, on the calling thread; rows of y lie `y_stride` floats
// apart. Calls for different columns may run at once.
void multiply(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end);

// The same, all rows or all columns, on a pool.
void quantize_activations(ThreadPool& pool, const float* x, std::int64_t x_stride, const Activations& to);
void multiply(ThreadPool& pool, const QuantizedMatrix& w, const Activations& x, float* y,
              std::int64_t y_stride);

}  // namespace pome::kernels
