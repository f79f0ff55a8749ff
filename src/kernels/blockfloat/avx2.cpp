#include "kernels/avx2.h"

#include "kernels/blockfloat/impl.h"

namespace pome::kernels::blockfloat::avx2 {
namespace {

// 16 integers as words.
inline __m256i words_of(__m256i first, __m256i second) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
}

struct Level {
  template <Stored S>
  static int largest_exponent(const std::uint8_t* p) {
    __m256i largest = _mm256_setzero_si256();
    if constexpr (S == Stored::e4m3) {
      for (int i = 0; i < exponent_weights; i += 32) {
        largest = _mm256_max_epu8(largest, _mm256_and_si256(load(p + i), _mm256_set1_epi8(0x7f)));
      }
      largest =
          _mm256_max_epu8(_mm256_srli_epi16(largest, 8), _mm256_and_si256(largest, _mm256_set1_epi16(0xff)));
    } else {
      for (int i = 0; i < exponent_weights; i += 16) {
        largest = _mm256_max_epu16(largest, _mm256_and_si256(load(p + 2 * i), _mm256_set1_epi16(0x7fff)));
      }
    }
    // There is an instruction for the least of eight words.
    const __m128i eight =
        _mm_max_epu16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    const __m128i least = _mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(-1)));
    const int magnitude = 0xffff ^ _mm_extract_epi16(least, 0);
    if constexpr (S == Stored::bf16) return magnitude >> 7;
    if constexpr (S == Stored::e4m3) {
      return magnitude < 8 ? least_e4m3_exponent : least_e4m3_exponent - 1 + (magnitude >> 3);
    }
    const __m128 value = _mm_cvtph_ps(_mm_cvtsi32_si128(magnitude));
    return _mm_cvtsi128_si32(_mm_castps_si128(value)) >> 23;
  }

  // Weights i … i + 7 as integers.
  template <Stored S>
  static __m256i integers(const std::uint8_t* p, int i, __m256 multiplier) {
    if constexpr (S == Stored::e4m3) {
      const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + i)));
      const __m256i bits =
          _mm256_and_si256(_mm256_slli_epi32(wide, 20), _mm256_set1_epi32(static_cast<int>(0x87f00000u)));
      const __m256 weights = _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120f));
      return _mm256_cvtps_epi32(_mm256_mul_ps(weights, multiplier));
    }
    const __m256 weights = load_floats(p, S == Stored::f16 ? Element::f16 : Element::bf16, i);
    return _mm256_cvtps_epi32(_mm256_mul_ps(weights, multiplier));
  }

  template <Stored S>
  static void align(const std::uint8_t* p, float multiplier, std::int16_t* words) {
    const __m256 by = _mm256_set1_ps(multiplier);
    for (int i = 0; i < unit; i += 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + i),
                          words_of(integers<S>(p, i, by), integers<S>(p, i + 8, by)));
    }
  }

  static float dot(const std::int16_t* words, const float* scales, const std::int16_t* q, const float* d,
                   int units) {
    const int blocks = units / units_per_block;
    __m256 lanes[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int b = 0; b < blocks; ++b) {
#pragma clang loop unroll(full)
      for (int h = 0; h < 2; ++h) {
        __m256i t[8];
#pragma clang loop unroll(full)
        for (int l = 0; l < 8; ++l) {
          const std::int64_t at = (std::int64_t{counter_order[8 * h + l]} * blocks + b) * unit;
          t[l] = _mm256_add_epi32(_mm256_madd_epi16(load(words + at), load(q + at)),
                                  _mm256_madd_epi16(load(words + at + 16), load(q + at + 16)));
        }
        // Lane l the sum of t[l]'s.
        const auto fours = [&](int i) {
          return _mm256_hadd_epi32(_mm256_hadd_epi32(t[i], t[i + 1]), _mm256_hadd_epi32(t[i + 2], t[i + 3]));
        };
        const __m256i low = fours(0), high = fours(4);
        const __m256i sums = _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                                              _mm256_permute2x128_si256(low, high, 0x31));
        const int u = b * units_per_block + 8 * h;
        lanes[h] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums),
                            _mm256_mul_ps(_mm256_loadu_ps(scales + u), _mm256_loadu_ps(d + u)), lanes[h]);
      }
    }
    return sum_by_halves(lanes[0], lanes[1]);
  }
};

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  const __m256i all = _mm256_set1_epi32(0x7fffffff);
  for (int u = 0; u < to.units; ++u) {
    alignas(32) float part[unit];
    const float* from = unit_of(x, to.columns, u, part);
    __m256i magnitudes[4];
    for (int i = 0; i < 4; ++i) magnitudes[i] = _mm256_and_si256(load(from + 8 * i), all);
    const __m256i most = _mm256_max_epu32(_mm256_max_epu32(magnitudes[0], magnitudes[1]),
                                          _mm256_max_epu32(magnitudes[2], magnitudes[3]));
    alignas(32) unsigned lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), most);
    unsigned bits = lanes[0];
    for (int l = 1; l < 8; ++l) bits = lanes[l] > bits ? lanes[l] : bits;
    const auto scaled = [&](int i) {
      return _mm256_mul_ps(_mm256_castsi256_ps(magnitudes[i]), _mm256_set1_ps(sum_unit));
    };
    const float sum = sum_by_halves(_mm256_add_ps(scaled(0), scaled(2)), _mm256_add_ps(scaled(1), scaled(3)));
    const Divisor by = divisor_of(bits, sum);
    to.scale[std::int64_t{row} * to.units + u] = by.scale;
    auto* words =
        static_cast<std::int16_t*>(to.q) + row * to.stride + std::int64_t{place_of(u, to.units)} * unit;
    const __m256 reciprocal = _mm256_set1_ps(by.reciprocal);
    for (int i = 0; i < unit; i += 16) {
      __m256i both = _mm256_setzero_si256();
      if (!by.zero) {
        both = words_of(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i), reciprocal)),
                        _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i + 8), reciprocal)));
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + i), both);
    }
  }
}

void gemm(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
          int end, void* scratch) {
  multiply_rows<Level>(w, x, y, y_stride, begin, end, scratch);
}

}  // namespace pome::kernels::blockfloat::avx2
