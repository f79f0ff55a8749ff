#include "quant/mxfp4.h"

#include <array>

#include "quant/packing.h"
#include "quant/small_floats.h"

namespace pome::quant {
namespace {

constexpr std::array bits{4};
constexpr std::array group_sizes{32};
constexpr std::array scale_dtypes{Dtype::u8};

void decode_row(const Row& row, float* out) {
  for (std::int64_t group = 0; group < row.columns / 32; ++group) {
    const float scale = e8m0_to_f32(std::to_integer<std::uint8_t>(row.scales[group]));
    const std::byte* packed = row.codes + packed_row_bytes(group * 32, 4);
    for (int block = 0; block < 32 / codes_per_block; ++block) {
      const std::uint64_t word = load_block(packed + block * 4, 4);
      for (int i = 0; i < codes_per_block; ++i) *out++ = scale * e2m1_values[block_code(word, 4, i)];
    }
  }
}

}  // namespace

constinit const Mode mxfp4{
    .name = "mxfp4",
    .bits = bits,
    .group_sizes = group_sizes,
    .default_bits = 4,
    .default_group_size = 32,
    .scale_dtypes = scale_dtypes,
    .has_biases = false,
    .decode_row = decode_row,
};

}  // namespace pome::quant
