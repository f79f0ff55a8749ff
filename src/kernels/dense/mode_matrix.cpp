#include "kernels/dense/mode_matrix.h"

#include <algorithm>

#include "kernels/decode/row.h"
#include "quant/packing.h"
#include "quant/small_floats.h"

namespace pome::kernels {
namespace {

// Modes whose groups are a scale of one byte and codes that mean floats.
struct FloatMode {
  std::string_view name;
  float (*scale)(std::uint8_t code);
  void (*decode::Row::*codes)(const std::uint8_t* codes, const float* scales, int group, int count,
                              float* out);
};

constexpr FloatMode float_modes[] = {
    {"mxfp4", quant::e8m0_to_f32, &decode::Row::e2m1},
    {"mxfp8", quant::e8m0_to_f32, &decode::Row::e4m3},
    {"nvfp4", quant::e4m3_to_f32, &decode::Row::e2m1},
};

void decode_floats(const FloatMode& mode, const quant::Row& row, float* out) {
  constexpr int most_scales = 64;
  float scales[most_scales];
  const int part = most_scales * row.group_size;
  for (std::int64_t begin = 0; begin < row.columns; begin += part) {
    const auto count = static_cast<int>(std::min<std::int64_t>(part, row.columns - begin));
    const std::byte* codes = row.scales + begin / row.group_size;
    for (int g = 0; g < count / row.group_size; ++g)
      scales[g] = mode.scale(std::to_integer<std::uint8_t>(codes[g]));
    const std::byte* packed = row.codes + quant::packed_row_bytes(begin, row.bits);
    (decode::active_row().*mode.codes)(reinterpret_cast<const std::uint8_t*>(packed), scales, row.group_size,
                                       count, out + begin);
  }
}

}  // namespace

void decode_row(const ModeMatrix& matrix, int row, int begin, int count, float* out) {
  const std::int64_t row_bytes = quant::packed_row_bytes(matrix.columns, matrix.bits);
  const std::int64_t group = std::int64_t{row} * (matrix.columns / matrix.group) + begin / matrix.group;
  const std::int64_t scale = group * dtype_bits(matrix.scale_dtype) / 8;
  quant::Row part;
  part.codes = matrix.codes + row * row_bytes + quant::packed_row_bytes(begin, matrix.bits);
  part.scales = matrix.scales + scale;
  part.biases = matrix.biases == nullptr ? nullptr : matrix.biases + scale;
  part.scale_dtype = matrix.scale_dtype;
  part.columns = count;
  part.bits = matrix.bits;
  part.group_size = matrix.group;
  for (const FloatMode& mode : float_modes) {
    if (mode.name == matrix.mode->name) return decode_floats(mode, part, out);
  }
  matrix.mode->decode_row(part, out);
}

DecodedMatrix decoded(const ModeMatrix& matrix) {
  const auto decode = [](const void* from, int row, int begin, int count, float* out) {
    decode_row(*static_cast<const ModeMatrix*>(from), row, begin, count, out);
  };
  return {decode, &matrix, matrix.rows, matrix.columns};
}

}  // namespace pome::kernels
