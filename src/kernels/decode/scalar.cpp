#include "kernels/scalar.h"
#include "kernels/decode/levels.h"
#include "quant/small_floats.h"

namespace pome::kernels::decode::scalar {

void affine(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  const std::uint8_t* codes = matrix.codes + std::int64_t{row} * (matrix.columns / 8 * matrix.bits);
  for (int k = begin; k < begin + count; ++k) {
    const std::int64_t group = std::int64_t{row} * (matrix.columns / matrix.group) + k / matrix.group;
    const float product =
        element(matrix.scales, matrix.scale_type, group) * static_cast<float>(code_at(codes, matrix.bits, k));
    *out++ = product + element(matrix.biases, matrix.scale_type, group);
  }
}

void floats(const void* data, Element type, std::int64_t first, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = element(data, type, first + i);
}

void e2m1(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  for (int i = 0; i < count; ++i) {
    out[i] = scales[i / group] * quant::e2m1_values[static_cast<std::size_t>(code_at(codes, 4, i))];
  }
}

void e4m3(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = scales[i / group] * quant::e4m3_to_f32(codes[i]);
}

}  // namespace pome::kernels::decode::scalar
