#include "kernels/avx512.h"
#include "kernels/decode/levels.h"

namespace pome::kernels::decode::avx512vnni {
namespace {

template <int Bits>
void affine_of(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  const std::uint8_t* codes = matrix.codes + std::int64_t{row} * (matrix.columns / 8 * Bits);
  const std::int64_t groups = std::int64_t{row} * (matrix.columns / matrix.group);
  for (int k = begin; k < begin + count; k += 32, out += 32) {
    const std::int64_t group = groups + k / matrix.group;
    const __m512 scale = _mm512_broadcastss_ps(
        _mm512_castps512_ps128(load_floats(matrix.scales, matrix.scale_type, group, 1)));
    const __m512 bias = _mm512_broadcastss_ps(
        _mm512_castps512_ps128(load_floats(matrix.biases, matrix.scale_type, group, 1)));
    const __m512i values = natural_codes<Bits>(codes + k / 8 * Bits);
    const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(values)));
    const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(values, 1)));
    _mm512_storeu_ps(out, _mm512_add_ps(_mm512_mul_ps(low, scale), bias));
    _mm512_storeu_ps(out + 16, _mm512_add_ps(_mm512_mul_ps(high, scale), bias));
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
  for (int i = 0; i < count; i += 16) {
    const __mmask16 mask = first_lanes(count - i);
    _mm512_mask_storeu_ps(out + i, mask, load_floats(data, type, first + i, mask));
  }
}

}  // namespace pome::kernels::decode::avx512vnni
