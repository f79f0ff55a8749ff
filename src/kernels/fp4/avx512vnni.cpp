// AVX-512 with VNNI: 64 bytes of codes are a chunk, dword l of them lane l's eight, so that the integer sums
// of an instruction are those that become floats: nothing moves between lanes before the end.
//
// Tiles of up to 4 rows of x by 4 of W, codes decoded in registers once for all of the rows of x.
#include "kernels/avx512.h"
#include "kernels/fp4/impl.h"

namespace pome::kernels::fp4::avx512vnni {
namespace {

constexpr int largest_columns = 4;
constexpr std::int64_t near_bytes = 2048, far_bytes = 8192;

// An instruction and not an intrinsic, which clang's machine combiner may take apart.
[[gnu::always_inline]] inline __m512i add_products(__m512i sums, __m512i codes, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
  return sums;
}

inline __mmask64 first_bytes(int count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

// Lane l: the scale of its eight elements. `count` scales are there.
template <int Group>
[[gnu::always_inline]] inline __m512 load_scales(const std::uint8_t* p, int count) {
  constexpr int full = chunk / Group;
  if constexpr (Group == 32) {
    std::uint32_t codes = 0;
    __builtin_memcpy(&codes, p, static_cast<unsigned>(count < full ? count : full));
    // Byte i of the four to the top of every dword of 128-bit lane i, and from there to the exponent.
    const __m512i places = _mm512_setr_epi32(
        0x00ffffff, 0x00ffffff, 0x00ffffff, 0x00ffffff, 0x01ffffff, 0x01ffffff, 0x01ffffff, 0x01ffffff,
        0x02ffffff, 0x02ffffff, 0x02ffffff, 0x02ffffff, 0x03ffffff, 0x03ffffff, 0x03ffffff, 0x03ffffff);
    const __m512i top = _mm512_shuffle_epi8(_mm512_set1_epi32(static_cast<int>(codes)), places);
    return _mm512_castsi512_ps(_mm512_srli_epi32(top, 1));
  } else {
    std::uint64_t codes = 0;
    __builtin_memcpy(&codes, p, static_cast<unsigned>(count < full ? count : full));
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(
        _mm_cvtsi64_si128(static_cast<long long>(codes)), _mm_cvtsi64_si128(static_cast<long long>(codes))));
    const __m512i all = _mm512_set1_epi32(0x7f), magnitude = _mm512_and_si512(wide, all);
    // Read as a float, exponent and mantissa are 2^-120 of what they mean, zero and subnormals too.
    const __m512 value =
        _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(magnitude, 20)), _mm512_set1_ps(0x1p120f));
    const __m512i sign = _mm512_slli_epi32(_mm512_sub_epi32(wide, magnitude), 24);
    const __m512 number = _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(value), sign));
    return _mm512_mask_mov_ps(number, _mm512_cmpeq_epi32_mask(magnitude, all),
                              _mm512_set1_ps(__builtin_nanf("")));
  }
}

template <int Planes, int Group, int M, int N>
struct Tile {
  const Fp4Matrix& w;
  const Activations& x;
  std::int64_t row_bytes;
  std::int64_t groups;

  // `Full`: all of the chunk's elements are there.
  template <bool Full>
  [[gnu::always_inline]] void add_chunk(int m, int n, int k, const std::uint8_t*& ahead,
                                        __m512 (&sums)[M][N]) const {
    const int left = w.columns - k;
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i values = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    __m512i even[N], odd[N];
    __m512 scales[N];
#pragma clang loop unroll(full)
    for (int c = 0; c < N; ++c) {
      const std::uint8_t* p = w.codes + (n + c) * row_bytes + k / 2;
      const __m512i codes = Full ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(first_bytes(left / 2), p);
      even[c] = _mm512_shuffle_epi8(values, _mm512_and_si512(codes, low));
      odd[c] = _mm512_shuffle_epi8(values, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low));
      scales[c] =
          load_scales<Group>(w.scales + (n + c) * groups + k / Group, Full ? chunk / Group : left / Group);
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(ahead + far_bytes), _MM_HINT_T1);
      ahead += 64;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < M; ++r) {
      const std::int8_t* q = static_cast<const std::int8_t*>(x.q) + (m + r) * x.stride * Planes + k * Planes;
      const std::int64_t unit = std::int64_t{m + r} * x.units + k / 8;
      const __m512 d = _mm512_loadu_ps(x.scale + unit), sum = _mm512_loadu_ps(x.sum + unit);
      __m512i t[N];
#pragma clang loop unroll(full)
      for (int plane = 0; plane < Planes; ++plane) {
        const __m512i x0 = _mm512_load_si512(q + plane * chunk),
                      x1 = _mm512_load_si512(q + plane * chunk + 64);
#pragma clang loop unroll(full)
        for (int c = 0; c < N; ++c) {
          const __m512i from = plane == 0 ? _mm512_setzero_si512() : _mm512_slli_epi32(t[c], 8);
          t[c] = add_products(add_products(from, even[c], x0), odd[c], x1);
        }
      }
#pragma clang loop unroll(full)
      for (int c = 0; c < N; ++c) {
        sums[r][c] = _mm512_fmadd_ps(_mm512_add_ps(_mm512_cvtepi32_ps(t[c]), sum),
                                     _mm512_mul_ps(scales[c], d), sums[r][c]);
      }
    }
  }

  void multiply(int m, int n, const std::uint8_t*& ahead, float* y, std::int64_t y_stride) const {
    __m512 sums[M][N];
#pragma clang loop unroll(full)
    for (int r = 0; r < M; ++r) {
#pragma clang loop unroll(full)
      for (int c = 0; c < N; ++c) sums[r][c] = _mm512_setzero_ps();
    }
    int k = 0;
    for (; k + chunk <= w.columns; k += chunk) add_chunk<true>(m, n, k, ahead, sums);
    if (k < w.columns) add_chunk<false>(m, n, k, ahead, sums);
#pragma clang loop unroll(full)
    for (int r = 0; r < M; ++r) {
      float* to = y + (m + r) * y_stride + n;
      if constexpr (N == 4) {
        _mm_storeu_ps(to, sum_four_by_halves(sums[r][0], sums[r][1], sums[r][2], sums[r][3]));
      } else {
        for (int c = 0; c < N; ++c) to[c] = sum_by_halves(sums[r][c]);
      }
    }
  }
};

// 32 words: bytes 0 of the even ones, then of the odd ones.
inline void deal(__m512i words, std::int8_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(words));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + chunk / 2),
                   _mm512_cvtepi32_epi8(_mm512_srli_epi32(words, 16)));
}

struct Level {
  static constexpr int panel = 32;

  template <int Planes, int Group, int M>
  static void multiply_rows(const Fp4Matrix& w, const Activations& x, int m, float* y, std::int64_t y_stride,
                            int begin, int end) {
    const std::int64_t row_bytes = w.columns / 2, groups = w.columns / Group;
    const std::int64_t at_once = largest_columns * row_bytes;
    const std::uint8_t* ahead = w.codes + begin * row_bytes + (at_once > near_bytes ? at_once : near_bytes);
    int n = begin;
    for (; n + largest_columns <= end; n += largest_columns) {
      Tile<Planes, Group, M, largest_columns>{w, x, row_bytes, groups}.multiply(m, n, ahead, y, y_stride);
    }
    for (; n < end; ++n) {
      Tile<Planes, Group, M, 1>{w, x, row_bytes, groups}.multiply(m, n, ahead, y, y_stride);
    }
  }

  template <int Planes>
  static void quantize_row(const float* x, const Activations& to, int row) {
    auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * Planes;
    float* scales = to.scale + std::int64_t{row} * to.units;
    float* sums = to.sum + std::int64_t{row} * to.units;
    const auto levels = static_cast<float>(to.format.levels);
    for (int k = 0; k < to.units * 8; k += group_of_x) {
      const int count = to.columns > k ? to.columns - k : 0;
      const __m512 v0 = _mm512_maskz_loadu_ps(first_lanes(count), x + k);
      const __m512 v1 = _mm512_maskz_loadu_ps(first_lanes(count > 16 ? count - 16 : 0), x + k + 16);
      const __m512i all = _mm512_set1_epi32(0x7fffffff);
      const unsigned bits = _mm512_reduce_max_epu32(_mm512_max_epu32(
          _mm512_and_si512(_mm512_castps_si512(v0), all), _mm512_and_si512(_mm512_castps_si512(v1), all)));
      const float largest = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
      const bool finite = bits < 0x7f800000, there = finite && largest >= smallest_magnitude;
      const __m512 reciprocal = _mm512_set1_ps(levels / largest);
      __m512i words = _mm512_setzero_si512();
      if (there) {
        const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(v0, reciprocal));
        const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(v1, reciprocal));
        words =
            _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(a)), _mm512_cvtepi32_epi16(b), 1);
      }
      std::int8_t* at = q + std::int64_t{k / chunk} * chunk * Planes + k % chunk / 2;
      if constexpr (Planes == 2) {
        deal(_mm512_srli_epi16(_mm512_add_epi16(words, _mm512_set1_epi16(128)), 8), at);
        at += chunk;
      }
      deal(words, at);
      __m512i sum = _mm512_madd_epi16(words, _mm512_set1_epi16(-offset));
      sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32(sum, _MM_PERM_BADC));
      sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32(sum, _MM_PERM_CDAB));
      const __m512i of_eights =
          _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), sum);
      _mm_storeu_ps(sums + k / 8, _mm_cvtepi32_ps(_mm512_castsi512_si128(of_eights)));
      _mm_storeu_ps(scales + k / 8, _mm_set1_ps(there    ? largest / levels * 0.5f
                                                : finite ? 0.0f
                                                         : __builtin_nanf("")));
    }
  }
};

}  // namespace

void quantize(const float* x, const Activations& to, int row) { quantize_any<Level>(x, to, row); }

void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end) {
  multiply_any<Level>(w, x, y, y_stride, begin, end);
}

}  // namespace pome::kernels::fp4::avx512vnni
