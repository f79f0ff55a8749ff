// The ways in which MLX quantizes weights. A mode is one file that ends in a Mode, and one line in modes();
// nobody else switches on its kind.
//
// A quantized matrix [out, in], or stack [experts, out, in], is up to three tensors:
//   weight   U32, last axis in·bits/32: codes, packed as packing.h says
//   scales   last axis in/group_size: one per group of neighbouring columns
//   biases   as scales, where the mode has them
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/dtype.h"

namespace pome::quant {

// One row, as pointers that need no alignment.
struct Row {
  const std::byte* codes = nullptr;   // packed_row_bytes(columns, bits)
  const std::byte* scales = nullptr;  // columns / group_size of scale_dtype
  const std::byte* biases = nullptr;  // as scales; null where the mode has none
  Dtype scale_dtype = Dtype::f32;
  std::int64_t columns = 0;  // a multiple of group_size
  int bits = 0;
  int group_size = 0;
};

struct Mode {
  std::string_view name;  // as config.json spells it
  std::span<const int> bits;
  std::span<const int> group_sizes;
  int default_bits;
  int default_group_size;
  std::span<const Dtype> scale_dtypes;
  bool has_biases;

  // Writes row.columns floats: what the codes mean, to the bit what mx.dequantize gives in float32 on the CPU
  // (scales and biases raised to float32 first). Allocates nothing; thread-safe.
  void (*decode_row)(const Row& row, float* out);
};

// In the order of MLX's table.
std::span<const Mode* const> modes();

const Mode* find_mode(std::string_view name);  // nullptr where there is none

struct Layout {
  const Mode* mode = nullptr;
  int bits = 0;
  int group_size = 0;
};

// What a tensor of a quantized matrix looks like from outside.
struct Part {
  Dtype dtype = Dtype::u32;
  std::span<const std::int64_t> shape;
};

// The layout that a config asks for. Throws Error(unsupported) where no mode has that name, or the mode not
// these bits or groups; subject comes first in messages ("config.json: quantization").
Layout find_layout(std::string_view mode, int bits, int group_size, std::string_view subject);

// The layout of a matrix, from its tensors and what config says about it. Shapes alone fix only bits ×
// group_size (8 bits in groups of 64 look like 4 bits in groups of 128), so, of the layouts of
// configured.mode that fit:
//   the configured one, where it is among them;
//   else the one with the configured group size (writers misspell the keys of single layers, and vary bits);
//   else the only one.
// columns, where it is not 0, is the number of inputs that the model needs, and has to fit too.
// Throws Error(corrupt), with subject (file and module) first, where dtypes, ranks or shapes contradict each
// other or no layout, or several, fit.
Layout infer_layout(std::string_view subject, const Part& weight, const Part& scales,
                    const std::optional<Part>& biases, const Layout& configured, std::int64_t columns = 0);

}  // namespace pome::quant
