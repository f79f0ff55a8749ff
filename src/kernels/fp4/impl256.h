// The 256-bit kernels, for a file that includes this once in its level's namespace: 64 bytes of codes are a
// chunk, dword l of them lane l's eight, in two registers of eight lanes. With dot products of bytes where
// the level has them, else with their 16-bit steps.
//
// Tiles of up to 4 rows of x by one of W, codes decoded in registers once for all of the rows of x.

namespace {

constexpr std::int64_t ahead_bytes = 4096;

// Per dword the products of eight codes, even and odd ones, of the given planes of x, which lie `chunk`
// apart.
template <int Planes>
inline __m256i products(__m256i even, __m256i odd, const std::int8_t* x) {
#if defined(POME_BYTE_PRODUCTS)
  __m256i sums = _mm256_setzero_si256();
  for (int plane = 0; plane < Planes; ++plane, x += chunk) {
    if (plane == 1) sums = _mm256_slli_epi32(sums, 8);
    sums = add_byte_products(sums, even, load(x));
    sums = add_byte_products(sums, odd, load(x + chunk / 2));
  }
  return sums;
#else
  // At most 24·128·4 in a word.
  const auto words = [&](const std::int8_t* p) {
    return _mm256_add_epi16(_mm256_maddubs_epi16(even, load(p)),
                            _mm256_maddubs_epi16(odd, load(p + chunk / 2)));
  };
  const __m256i one = _mm256_set1_epi16(1);
  if constexpr (Planes == 1) return _mm256_madd_epi16(words(x), one);
  return _mm256_add_epi32(_mm256_madd_epi16(words(x), _mm256_set1_epi16(256)),
                          _mm256_madd_epi16(words(x + chunk), one));
#endif
}

// out[l]: the scale of lane l's eight elements; `count` scales are there, and zeros behind them.
template <int Group>
inline void load_scales(const std::uint8_t* p, int count, __m256 (&out)[2]) {
  constexpr int full = chunk / Group;
  std::uint8_t part[8] = {};
  if (count < full) {
    __builtin_memcpy(part, p, static_cast<unsigned>(count));
    p = part;
  }
  const __m128i bytes = full == 4 ? _mm_loadu_si32(p) : _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  for (int h = 0; h < 2; ++h) {
    const __m128i own = h == 0 ? bytes : _mm_srli_epi64(bytes, 4 * full);
    if constexpr (Group == 32) {
      const __m128i places = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
      const __m256i wide = _mm256_cvtepu8_epi32(_mm_shuffle_epi8(own, places));
      out[h] = _mm256_castsi256_ps(_mm256_slli_epi32(wide, 23));
    } else {
      const __m256i wide = _mm256_cvtepu8_epi32(_mm_unpacklo_epi8(own, own));
      const __m256i all = _mm256_set1_epi32(0x7f), magnitude = _mm256_and_si256(wide, all);
      // Read as a float, exponent and mantissa are 2^-120 of what they mean, zero and subnormals too.
      const __m256 value =
          _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20)), _mm256_set1_ps(0x1p120f));
      const __m256i sign = _mm256_slli_epi32(_mm256_sub_epi32(wide, magnitude), 24);
      out[h] =
          _mm256_blendv_ps(_mm256_or_ps(value, _mm256_castsi256_ps(sign)), _mm256_set1_ps(__builtin_nanf("")),
                           _mm256_castsi256_ps(_mm256_cmpeq_epi32(magnitude, all)));
    }
  }
}

struct Level {
  static constexpr int panel = 16;

  template <int Planes, int Group, int M>
  static void multiply_rows(const Fp4Matrix& w, const Activations& x, int m, float* y, std::int64_t y_stride,
                            int begin, int end) {
    const std::int64_t row_bytes = w.columns / 2, groups = w.columns / Group;
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i values =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    for (int n = begin; n < end; ++n) {
      __m256 sums[M][2];
      for (int r = 0; r < M; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_ps();
      for (int k = 0; k < w.columns; k += chunk) {
        const int left = w.columns - k;
        const std::uint8_t* p = w.codes + n * row_bytes + k / 2;
        std::uint8_t part[chunk / 2];
        __m256 scales[2];
        load_scales<Group>(w.scales + n * groups + k / Group, left / Group, scales);
        if (left < chunk) {
          __builtin_memset(part, 0, sizeof part);
          __builtin_memcpy(part, p, static_cast<unsigned>(left / 2));
          p = part;
        } else {
          _mm_prefetch(reinterpret_cast<const char*>(p + ahead_bytes), _MM_HINT_T0);
        }
        const std::int8_t* q = static_cast<const std::int8_t*>(x.q) + m * x.stride * Planes + k * Planes;
        const std::int64_t unit = std::int64_t{m} * x.units + k / 8;
        for (int h = 0; h < 2; ++h) {
          const __m256i codes = load(p + 32 * h);
          const __m256i even = _mm256_shuffle_epi8(values, _mm256_and_si256(codes, low));
          const __m256i odd = _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low));
#pragma clang loop unroll(full)
          for (int r = 0; r < M; ++r) {
            const __m256i t = products<Planes>(even, odd, q + r * x.stride * Planes + 32 * h);
            const std::int64_t at = unit + std::int64_t{r} * x.units + 8 * h;
            const __m256 sum = _mm256_add_ps(_mm256_cvtepi32_ps(t), _mm256_loadu_ps(x.sum + at));
            sums[r][h] =
                _mm256_fmadd_ps(sum, _mm256_mul_ps(scales[h], _mm256_loadu_ps(x.scale + at)), sums[r][h]);
          }
        }
      }
      for (int r = 0; r < M; ++r) y[(m + r) * y_stride + n] = sum_by_halves(sums[r][0], sums[r][1]);
    }
  }

  template <int Planes>
  static void quantize_row(const float* x, const Activations& to, int row) {
    auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * Planes;
    float* scales = to.scale + std::int64_t{row} * to.units;
    float* sums = to.sum + std::int64_t{row} * to.units;
    const auto levels = static_cast<float>(to.format.levels);
    for (int k = 0; k < to.units * 8; k += group_of_x) {
      alignas(32) float part[group_of_x] = {};
      const float* from = x + k;
      if (to.columns - k < group_of_x) {
        if (to.columns > k) __builtin_memcpy(part, from, static_cast<unsigned>(to.columns - k) * 4);
        from = part;
      }
      __m256i magnitudes = _mm256_setzero_si256();
      for (int i = 0; i < group_of_x; i += 8) {
        magnitudes =
            _mm256_max_epu32(magnitudes, _mm256_and_si256(load(from + i), _mm256_set1_epi32(0x7fffffff)));
      }
      alignas(32) unsigned lanes[8];
      _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), magnitudes);
      unsigned bits = lanes[0];
      for (int l = 1; l < 8; ++l) bits = lanes[l] > bits ? lanes[l] : bits;
      const float largest = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
      const bool finite = bits < 0x7f800000, there = finite && largest >= smallest_magnitude;
      const __m256 reciprocal = _mm256_set1_ps(levels / largest);
      const float scale = there ? largest / levels * 0.5f : finite ? 0.0f : __builtin_nanf("");
      alignas(32) std::int32_t whole[group_of_x] = {};
      for (int i = 0; there && i < group_of_x; i += 8) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(whole + i),
                           _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i), reciprocal)));
      }
      std::int8_t* at = q + std::int64_t{k / chunk} * chunk * Planes + k % chunk / 2;
      for (int i = 0; i < group_of_x; ++i) {
        std::int8_t* to_byte = at + i % 2 * (chunk / 2) + i / 2;
        if (Planes == 2) *to_byte = static_cast<std::int8_t>((whole[i] + 128) >> 8);
        to_byte[(Planes - 1) * chunk] = static_cast<std::int8_t>(whole[i]);
      }
      for (int i = 0; i < group_of_x; i += 8) {
        int sum = 0;
        for (int j = 0; j < 8; ++j) sum += whole[i + j];
        scales[(k + i) / 8] = scale;
        sums[(k + i) / 8] = static_cast<float>(-offset * sum);
      }
    }
  }
};

}  // namespace

void quantize(const float* x, const Activations& to, int row) { quantize_any<Level>(x, to, row); }

void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end) {
  multiply_any<Level>(w, x, y, y_stride, begin, end);
}
