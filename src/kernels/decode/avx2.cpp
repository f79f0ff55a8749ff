#include "kernels/avx2.h"

#include "kernels/decode/impl.h"

namespace pome::kernels::decode::avx2 {
namespace {

struct Level {
  static constexpr int codes_at_once = 16;

  template <int Bits>
  static void decode(const std::uint8_t* p, std::int64_t left, float scale, float bias, float* out) {
    std::uint8_t copy[32] = {};  // natural_codes reads 16 + Bits bytes
    if (left < 16 + Bits) {
      __builtin_memcpy(copy, p, 2 * Bits);
      p = copy;
    }
    const __m256i values = natural_codes<Bits>(p);
    const __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(values)));
    const __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_extracti128_si256(values, 1)));
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(low, scales), biases));
    _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_mul_ps(high, scales), biases));
  }
};

}  // namespace

void affine(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  affine_any<Level>(matrix, row, begin, count, out);
}

void floats(const void* data, Element type, std::int64_t first, int count, float* out) {
  int i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, load_floats(data, type, first + i));
  for (; i < count; ++i) out[i] = element(data, type, first + i);
}

void e2m1(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  const __m256 magnitudes = _mm256_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6);
  for (int i = 0; i < count; i += 16) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i / 2));
    const __m128i low = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4));
    for (int h = 0; h < 2; ++h) {
      const __m256i wide = _mm256_cvtepu8_epi32(h == 0 ? low : _mm_srli_si128(low, 8));
      const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(8)), 28);
      // Only the lower three bits of a lane count as its index.
      const __m256 value = _mm256_permutevar8x32_ps(magnitudes, wide);
      const __m256 signed_value = _mm256_or_ps(value, _mm256_castsi256_ps(sign));
      _mm256_storeu_ps(out + i + 8 * h, _mm256_mul_ps(_mm256_set1_ps(scales[i / group]), signed_value));
    }
  }
}

void e4m3(const std::uint8_t* codes, const float* scales, int group, int count, float* out) {
  const __m256i all = _mm256_set1_epi32(0x7f);
  for (int i = 0; i < count; i += 8) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i)));
    const __m256i magnitude = _mm256_and_si256(wide, all);
    // Read as a float, exponent and mantissa are 2^-120 of what they mean, zero and subnormals too.
    const __m256 value =
        _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20)), _mm256_set1_ps(0x1p120f));
    const __m256i sign = _mm256_slli_epi32(_mm256_sub_epi32(wide, magnitude), 24);
    const __m256 signed_value = _mm256_or_ps(value, _mm256_castsi256_ps(sign));
    const __m256 number = _mm256_blendv_ps(signed_value, _mm256_set1_ps(__builtin_nanf("")),
                                           _mm256_castsi256_ps(_mm256_cmpeq_epi32(magnitude, all)));
    _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_set1_ps(scales[i / group]), number));
  }
}

}  // namespace pome::kernels::decode::avx2
