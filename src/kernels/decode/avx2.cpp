#include "kernels/avx2.h"
#include "kernels/decode/levels.h"

namespace pome::kernels::decode::avx2 {
namespace {

template <int Bits>
void affine_of(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  const std::int64_t row_bytes = matrix.columns / 8 * Bits;
  const std::uint8_t* codes = matrix.codes + row * row_bytes;
  const std::uint8_t* end = matrix.codes + matrix.rows * row_bytes;
  const std::int64_t groups = std::int64_t{row} * (matrix.columns / matrix.group);
  for (int k = begin; k < begin + count; k += 16, out += 16) {
    const std::int64_t group = groups + k / matrix.group;
    const __m256 scale = _mm256_set1_ps(element(matrix.scales, matrix.scale_type, group));
    const __m256 bias = _mm256_set1_ps(element(matrix.biases, matrix.scale_type, group));
    const std::uint8_t* p = codes + k / 8 * Bits;
    std::uint8_t copy[32] = {};  // natural_codes reads 16 + Bits bytes
    if (end - p < 16 + Bits) {
      __builtin_memcpy(copy, p, 2 * Bits);
      p = copy;
    }
    const __m256i values = natural_codes<Bits>(p);
    const __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(values)));
    const __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_extracti128_si256(values, 1)));
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(low, scale), bias));
    _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_mul_ps(high, scale), bias));
  }
}

}  // namespace

void affine(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  switch (matrix.bits) {
    case 2:
      return affine_of<2>(matrix, row, begin, count, out);
    case 3:
      return affine_of<3>(matrix, row, begin, count, out);
    case 4:
      return affine_of<4>(matrix, row, begin, count, out);
    case 5:
      return affine_of<5>(matrix, row, begin, count, out);
    case 6:
      return affine_of<6>(matrix, row, begin, count, out);
    case 8:
      return affine_of<8>(matrix, row, begin, count, out);
    default:
      return;
  }
}

void floats(const void* data, Element type, std::int64_t first, int count, float* out) {
  int i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, load_floats(data, type, first + i));
  for (; i < count; ++i) out[i] = element(data, type, first + i);
}

}  // namespace pome::kernels::decode::avx2
