#include "kernels/avx512.h"

#include "kernels/decode/impl.h"

namespace pome::kernels::decode::avx512vnni {
namespace {

struct Level {
  static constexpr int codes_at_once = 32;

  template <int Bits>
  static void decode(const std::uint8_t* p, std::int64_t /*left*/, float scale, float bias, float* out) {
    const __m512i values = natural_codes<Bits>(p);
    const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(values)));
    const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(values, 1)));
    const __m512 scales = _mm512_set1_ps(scale), biases = _mm512_set1_ps(bias);
    _mm512_storeu_ps(out, _mm512_add_ps(_mm512_mul_ps(low, scales), biases));
    _mm512_storeu_ps(out + 16, _mm512_add_ps(_mm512_mul_ps(high, scales), biases));
  }
};

}  // namespace

void affine(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  affine_any<Level>(matrix, row, begin, count, out);
}

void floats(const void* data, Element type, std::int64_t first, int count, float* out) {
  for (int i = 0; i < count; i += 16) {
    const __mmask16 mask = first_lanes(count - i);
    _mm512_mask_storeu_ps(out + i, mask, load_floats(data, type, first + i, mask));
  }
}

void e2m1(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  const __m512 values = _mm512_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6);
  for (int i = 0; i < count; i += 16) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i / 2));
    const __m128i low = bytes, high = _mm_srli_epi16(bytes, 4);
    const __m512i indices =
        _mm512_cvtepu8_epi32(_mm_and_si128(_mm_unpacklo_epi8(low, high), _mm_set1_epi8(15)));
    _mm512_storeu_ps(
        out + i, _mm512_mul_ps(_mm512_set1_ps(scales[i / group]), _mm512_permutexvar_ps(indices, values)));
  }
}

void e4m3(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  for (int i = 0; i < count; i += 16) {
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
    const __m512i magnitude = _mm512_and_si512(wide, _mm512_set1_epi32(0x7f));
    // Read as a float, exponent and mantissa are 2^-120 of what they mean, zero and subnormals too.
    __m512 value =
        _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(magnitude, 20)), _mm512_set1_ps(0x1p120f));
    const __m512i sign = _mm512_slli_epi32(_mm512_sub_epi32(wide, magnitude), 24);
    value = _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(value), sign));
    value = _mm512_mask_mov_ps(value, _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7f)),
                               _mm512_set1_ps(__builtin_nanf("")));
    _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_set1_ps(scales[i / group]), value));
  }
}

}  // namespace pome::kernels::decode::avx512vnni
