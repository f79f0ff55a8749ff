#include "quant/affine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "quant/packing.h"

namespace pome::quant {
namespace {

constexpr std::array bits{2, 3, 4, 5, 6, 8};
constexpr std::array group_sizes{32, 64, 128};
constexpr std::array scale_dtypes{Dtype::f16, Dtype::bf16, Dtype::f32};

float load_float(Dtype dtype, const std::byte* data, std::int64_t i) {
  if (dtype == Dtype::f32) {
    float value;
    std::memcpy(&value, data + i * 4, sizeof value);
    return value;
  }
  std::uint16_t value;
  std::memcpy(&value, data + i * 2, sizeof value);
  return dtype == Dtype::f16 ? f16_to_f32(value) : bf16_to_f32(value);
}

void decode_row(const Row& row, float* out) {
  for (std::int64_t group = 0; group < row.columns / row.group_size; ++group) {
    const float scale = load_float(row.scale_dtype, row.scales, group);
    const float bias = load_float(row.scale_dtype, row.biases, group);
    const std::byte* packed = row.codes + packed_row_bytes(group * row.group_size, row.bits);
    for (int block = 0; block < row.group_size / codes_per_block; ++block) {
      const std::uint64_t word = load_block(packed + block * row.bits, row.bits);
      for (int i = 0; i < codes_per_block; ++i) {
        // Two statements, so that no compiler fuses what MLX rounds twice.
        const float product = scale * static_cast<float>(block_code(word, row.bits, i));
        *out++ = product + bias;
      }
    }
  }
}

}  // namespace

void affine_quantize_row(const float* weights, std::int64_t columns, int code_bits, int group_size,
                         std::uint8_t* codes, float* scales, float* biases) {
  const auto largest_code = static_cast<float>((1 << code_bits) - 1);
  for (std::int64_t group = 0; group < columns / group_size; ++group) {
    const float* w = weights + group * group_size;
    float low = std::numeric_limits<float>::infinity();
    float high = -low;
    for (int i = 0; i < group_size; ++i) {
      low = std::min(low, w[i]);
      high = std::max(high, w[i]);
    }
    const bool low_is_edge = std::fabs(low) > std::fabs(high);
    const float step = std::max((high - low) / largest_code, 1e-7f);
    const float edge = low_is_edge ? low : high;
    float scale = low_is_edge ? step : -step;
    float bias = 0;
    if (const float edge_code = std::rint(edge / scale); edge_code != 0) {
      scale = edge / edge_code;
      bias = edge;
    }
    for (int i = 0; i < group_size; ++i) {
      const float code = std::rint((w[i] - bias) / scale);
      codes[group * group_size + i] = code > 0 ? static_cast<std::uint8_t>(std::min(code, largest_code)) : 0;
    }
    scales[group] = scale;
    biases[group] = bias;
  }
}

constinit const Mode affine{
    .name = "affine",
    .bits = bits,
    .group_sizes = group_sizes,
    .default_bits = 4,
    .default_group_size = 64,
    .scale_dtypes = scale_dtypes,
    .has_biases = true,
    .decode_row = decode_row,
};

}  // namespace pome::quant
