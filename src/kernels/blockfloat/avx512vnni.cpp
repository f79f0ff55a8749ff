// AVX-512: a row of W is walked block by block of 512 weights, twice: for the units' exponents, and, out of
// the first-level cache, for their products. Both are merged across lanes for sixteen units at once.
//
// gemm_avx512vnni.cpp has the products of several rows.
#include "kernels/blockfloat/avx512vnni.h"

namespace pome::kernels::blockfloat::avx512vnni {
namespace {

constexpr int rows_at_once = 4;
constexpr std::int64_t near_bytes = 2048, far_bytes = 8192;

// Out of memory, since the compiler would take it from the register that was stored, at the cost of shuffles.
[[gnu::always_inline]] inline __m512 broadcast(const float* p) {
  __m512 v;
  asm("vbroadcastss %1, %0" : "=v"(v) : "m"(*p));
  return v;
}

[[gnu::always_inline]] inline __m512i add_products(__m512i sums, __m512i a, __m512i b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}

template <Stored S>
struct Gemv {
  const BlockFloatMatrix& w;
  const std::int32_t* q;
  const float* d;
  int blocks;

  struct Sum {
    __m512i operator()(__m512i s, __m512i t) const { return _mm512_add_epi32(s, t); }
  };
  // Where the walk is: a block, its scales, and bytes that are asked for.
  struct Place {
    int n, b;
    Block block;
    __m512 meaning;
    const std::uint8_t* ahead;
    int current = 0;  // of the multipliers; the others are the next block's
    alignas(64) float multipliers[2][units_per_block];
  };

  // v += the block's products; then it is the next one's turn. Its scales are found in the first half, so
  // that they are there in time. `Full`: neither lacks an element.
  template <bool Full>
  [[gnu::always_inline]] void add_block(Place& at, const Block& next, __m512& v) const {
    Merge<Sum, units_per_block> sums;
    Exponents<S, Full> exponents = {next, {}, {}};
    Scales scales;
    const float* multipliers = at.multipliers[at.current];
    const std::uint8_t* ahead = at.ahead;
    const std::uint8_t* p = at.block.p;
    const int left = at.block.left;
    __m512 multiplier;
    const std::int32_t* q_block = q + std::int64_t{at.b} * block;
    at.current ^= 1;
#pragma clang loop unroll(full)
    for (int u = 0; u < units_per_block; ++u) {
      if (const int byte = u * unit * stored_bytes(S); byte % 64 == 0) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + byte), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(ahead + byte + far_bytes), _MM_HINT_T1);
      }
      if (u < units_per_block / 2) {
        exponents.take(2 * u);
        exponents.take(2 * u + 1);
      }
      if (u == units_per_block / 2) {
        scales = exponents.scales();
        _mm512_store_ps(at.multipliers[at.current], scales.multipliers);
      }
      if (u % exponent_units == 0) multiplier = broadcast(multipliers + u);
      const Floats weights =
          load_weights<S>(p + u * unit * stored_bytes(S), Full ? ~0u : first_words(left - u * unit));
      const Integers aligned = integers<S>(weights, multiplier);
      const __m512i t = _mm512_madd_epi16(aligned.a, _mm512_loadu_si512(q_block + u * unit));
      sums.take(u, add_products(t, aligned.b, _mm512_loadu_si512(q_block + u * unit + 16)));
    }
    v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums.total()),
                        _mm512_mul_ps(at.meaning, _mm512_loadu_ps(d + at.b * units_per_block)), v);
    at.meaning = scales.meaning;
    at.ahead = ahead + block * stored_bytes(S);
  }

  // Lanes of the row where the walk is.
  [[gnu::always_inline]] __m512 row(Place& at, int end) const {
    __m512 v = _mm512_setzero_ps();
    for (at.b = 0; at.b < blocks; ++at.b) {
      Block next = at.block;
      if (at.b + 1 < blocks) {
        next = block_of(w, at.n, at.b + 1);
      } else if (at.n + 1 < end) {
        next = block_of(w, at.n + 1, 0);
      }
      if (at.block.left >= block && next.left >= block) {
        add_block<true>(at, next, v);
      } else {
        add_block<false>(at, next, v);
      }
      at.block = next;
    }
    ++at.n;
    return v;
  }

  void run(float* y, int begin, int end) const {
    if (begin >= end) return;
    Place at;
    at.n = begin;
    at.block = block_of(w, begin, 0);
    at.ahead = at.block.p + near_bytes;
    Exponents<S, false> exponents = {at.block, {}, {}};
#pragma clang loop unroll(full)
    for (int u = 0; u < units_per_block; ++u) exponents.take(u);
    const Scales scales = exponents.scales();
    at.meaning = scales.meaning;
    _mm512_store_ps(at.multipliers[0], scales.multipliers);
    int n = begin;
    for (; n + rows_at_once <= end; n += rows_at_once) {
      __m512 v[rows_at_once];
      for (int r = 0; r < rows_at_once; ++r) v[r] = row(at, end);
      _mm_storeu_ps(y + n, sum_four_by_halves(v[0], v[1], v[2], v[3]));
    }
    for (; n < end; ++n) y[n] = sum_by_halves(row(at, end));
  }
};

template <Stored S>
void gemv_of(const BlockFloatMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  const Gemv<S> gemv = {w, static_cast<const std::int32_t*>(x.q) + row * x.stride,
                        x.scale + std::int64_t{row} * x.units, x.units / units_per_block};
  gemv.run(y, begin, end);
}

// A unit's elements, 16 and 16, each a word and a zero.
inline void store_dwords(__m512i first, __m512i second, int interleave, std::int32_t* to) {
  const __m512i word = _mm512_set1_epi32(0xffff);
  first = _mm512_and_si512(first, word);
  second = _mm512_and_si512(second, word);
  if (interleave == 2) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512i evens = _mm512_permutex2var_epi32(first, even, second);
    second = _mm512_permutex2var_epi32(first, odd, second);
    first = evens;
  }
  _mm512_storeu_si512(to, first);
  _mm512_storeu_si512(to + 16, second);
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  constexpr __mmask16 starts = 0x4949;  // dwords that start a pair
  const __m512i all = _mm512_set1_epi32(0x7fffffff);
  for (int u = 0; u < to.units; ++u) {
    const std::int64_t at = std::int64_t{row} * to.units + u;
    const int count = to.columns - u * unit;
    const __m512 a = _mm512_maskz_loadu_ps(first_lanes(count > 0 ? count : 0), x + u * unit);
    const __m512 b = _mm512_maskz_loadu_ps(first_lanes(count > 16 ? count - 16 : 0), x + u * unit + 16);
    const __m512i magnitude_a = _mm512_and_si512(_mm512_castps_si512(a), all);
    const __m512i magnitude_b = _mm512_and_si512(_mm512_castps_si512(b), all);
    const unsigned bits = _mm512_reduce_max_epu32(_mm512_max_epu32(magnitude_a, magnitude_b));
    const __m512 scaled_a = _mm512_mul_ps(_mm512_castsi512_ps(magnitude_a), _mm512_set1_ps(sum_unit));
    const __m512 scaled_b = _mm512_mul_ps(_mm512_castsi512_ps(magnitude_b), _mm512_set1_ps(sum_unit));
    const Divisor by = divisor_of(bits, sum_by_halves(_mm512_add_ps(scaled_a, scaled_b)));
    to.scale[at] = by.scale;
    const __m512 reciprocal = _mm512_set1_ps(by.reciprocal);
    const __mmask16 there = by.zero ? 0 : 0xffff;
    const __m512i first = _mm512_maskz_cvtps_epi32(there, _mm512_mul_ps(a, reciprocal));
    const __m512i second = _mm512_maskz_cvtps_epi32(there, _mm512_mul_ps(b, reciprocal));
    if (to.format.storage == Storage::block_dwords) {
      store_dwords(first, second, to.format.interleave,
                   static_cast<std::int32_t*>(to.q) + row * to.stride + u * unit);
      continue;
    }
    const __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(first)),
                                             _mm512_cvtepi32_epi16(second), 1);
    auto* q = static_cast<std::int16_t*>(to.q) + row * to.stride;
    _mm512_storeu_si512(q + std::int64_t{place_of(u, to.units)} * unit, words);
    to.pair_products[at] =
        _mm512_mask_reduce_add_epi32(starts, _mm512_madd_epi16(words, _mm512_alignr_epi32(words, words, 1)));
  }
}

void gemv(const BlockFloatMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  switch (w.stored) {
    case Stored::f16:
      return gemv_of<Stored::f16>(w, x, row, y, begin, end);
    case Stored::bf16:
      return gemv_of<Stored::bf16>(w, x, row, y, begin, end);
    case Stored::e4m3:
      return gemv_of<Stored::e4m3>(w, x, row, y, begin, end);
  }
}

}  // namespace pome::kernels::blockfloat::avx512vnni
