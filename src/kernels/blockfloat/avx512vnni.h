// What the AVX-512 files of blockfloat share, with internal linkage: stored floats as integers.
#pragma once

#include "kernels/avx512.h"
#include "kernels/blockfloat/levels.h"

namespace pome::kernels::blockfloat::avx512vnni {
namespace {

// Of 32 elements those that are there, if `count` are from the first of them on.
inline __mmask32 first_words(std::int64_t count) {
  return count >= 32 ? ~0u : count <= 0 ? 0 : (1u << count) - 1;
}

// 32 elements as floats, in two registers: of bfloat16 the even and the odd ones, else the first and the
// second 16. E4M3 becomes 2^-120 of what it means.
struct Floats {
  __m512 a, b;
};
template <Stored S>
[[gnu::always_inline]] inline Floats load_weights(const std::uint8_t* p, __mmask32 mask) {
  if constexpr (S == Stored::bf16) {
    const __m512i words = _mm512_maskz_loadu_epi16(mask, p);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(-65536)))};
  }
  const auto low = static_cast<__mmask16>(mask), high = static_cast<__mmask16>(mask >> 16);
  if constexpr (S == Stored::f16) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(low, p)),
            _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(high, p + 32))};
  } else {
    const auto floats = [](__m128i bytes) {
      const __m512i bits = _mm512_slli_epi32(_mm512_cvtepi8_epi32(bytes), 20);
      return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0x87f00000u))));
    };
    return {floats(_mm_maskz_loadu_epi8(low, p)), floats(_mm_maskz_loadu_epi8(high, p + 16))};
  }
}

// As integers: the low words of dwords whose high words mean nothing. In a sum with 1.5·2^23, which is
// rounded to a whole number, those are its last bits. E4M3, whose multiplier would be too large, is rounded
// to 2^-20.
struct Integers {
  __m512i a, b;
};
constexpr int e4m3_shift = 100;  // the multiplier's exponent is so much larger: 120 - 20
template <Stored S>
[[gnu::always_inline]] inline Integers integers(const Floats& weights, __m512 multiplier) {
  const __m512 round = _mm512_set1_ps(S == Stored::e4m3 ? 0x1.8p3f : 0x1.8p23f);
  return {_mm512_castps_si512(_mm512_fmadd_ps(weights.a, multiplier, round)),
          _mm512_castps_si512(_mm512_fmadd_ps(weights.b, multiplier, round))};
}

// In natural order, word by word.
template <Stored S>
[[gnu::always_inline]] inline __m512i words_of(const Integers& w) {
  if constexpr (S == Stored::bf16) {
    return _mm512_mask_mov_epi16(_mm512_slli_epi32(w.b, 16), 0x55555555, w.a);
  }
  alignas(64) static constexpr auto even_words = [] {
    struct {
      std::int16_t at[32];
    } t{};
    for (int i = 0; i < 32; ++i) t.at[i] = static_cast<std::int16_t>(2 * i);
    return t;
  }();
  return _mm512_permutex2var_epi16(w.a, _mm512_load_si512(even_words.at), w.b);
}

// Merges vectors, taken in order, into one: of sixteen, dword u combines all of the u-th; of fewer, those
// come again and again.
template <class Combine, int Count>
struct Merge {
  Combine combine;
  __m512i pending[5];

  template <int Level>
  [[gnu::always_inline]] __m512i merge(__m512i a, __m512i b) const {
    if constexpr (Level == 0) return combine(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    if constexpr (Level == 1) return combine(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    return combine(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  }

  [[gnu::always_inline]] void take(int i, __m512i v) {
    if (!(i & 1)) return void(pending[0] = v);
    v = merge<0>(pending[0], v);
    if (!(i & 2)) return void(pending[1] = v);
    v = merge<1>(pending[1], v);
    if (!(i & 4)) return void(pending[2] = v);
    v = merge<2>(pending[2], v);
    if (!(i & 8)) return void(pending[3] = v);
    pending[4] = merge<3>(pending[3], v);
  }

  [[gnu::always_inline]] __m512i total() const {
    static_assert(Count == 4 || Count == 16);
    if constexpr (Count == 16) return pending[4];
    const __m512i halves = merge<2>(pending[2], pending[2]);
    return merge<3>(halves, halves);
  }
};

// By lane, a unit of a row's block.
struct Scales {
  __m512 multipliers;  // of weights, to integers
  __m512 meaning;      // of these
};

// What a row stores of one block.
struct Block {
  const std::uint8_t* p;
  const std::uint8_t* scales;  // of E4M3
  int left;                    // elements to the row's end
};

inline Block block_of(const BlockFloatMatrix& w, int n, int b) {
  const std::int64_t at = std::int64_t{n} * w.columns + b * block;
  if (w.stored != Stored::e4m3) return {w.data + 2 * at, nullptr, w.columns - b * block};
  return {w.data + at, w.scales + at / unit, w.columns - b * block};
}

// Finds the scales of a block's units, which are taken in order. `Full`: it lacks no element.
template <Stored S, bool Full>
struct Exponents {
  struct Larger {
    __m512i operator()(__m512i a, __m512i b) const {
      return S == Stored::e4m3 ? _mm512_max_epu8(a, b) : _mm512_max_epu16(a, b);
    }
  };
  const Block& from;
  Merge<Larger, units_per_block / exponent_units> largest;
  __m512i of_units;

  // Of E4M3 two units are a register.
  [[gnu::always_inline]] void take(int u) {
    constexpr int units = 2 / stored_bytes(S);
    if (u % units != 0) return;
    const std::uint8_t* p = from.p + u * unit * stored_bytes(S);
    const int count = from.left - u * unit;
    __m512i magnitudes;
    if constexpr (S == Stored::e4m3) {
      const __mmask64 mask = count >= 64 ? ~0ull : count <= 0 ? 0 : (1ull << count) - 1;
      const __m512i codes = Full ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(mask, p);
      magnitudes = _mm512_and_si512(codes, _mm512_set1_epi8(0x7f));
    } else {
      const __m512i words = Full ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16(first_words(count), p);
      magnitudes = _mm512_and_si512(words, _mm512_set1_epi16(0x7fff));
    }
    of_units = u % exponent_units == 0 ? magnitudes : Larger()(of_units, magnitudes);
    if (u % exponent_units == exponent_units - units) largest.take(u / exponent_units, of_units);
  }

  [[gnu::always_inline]] Scales scales() const {
    // Every exponent to the units that share it.
    const __m512i total = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), largest.total());
    __m512i m = Larger()(total, _mm512_srli_epi32(total, 16)), e;
    if constexpr (S == Stored::e4m3) {
      m = _mm512_and_si512(Larger()(m, _mm512_srli_epi32(m, 8)), _mm512_set1_epi32(0x7f));
      e = _mm512_max_epi32(
          _mm512_add_epi32(_mm512_srli_epi32(m, 3), _mm512_set1_epi32(least_e4m3_exponent - 1)),
          _mm512_set1_epi32(least_e4m3_exponent));
      const __m512i multipliers = _mm512_sub_epi32(_mm512_set1_epi32(2 * 127 + weight_bits + e4m3_shift), e);
      const __m512 meaning =
          _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(weight_bits)), 23));
      const __m128i codes = _mm_maskz_loadu_epi8(Full ? 0xffff : first_lanes(from.left / unit), from.scales);
      const __m512 powers = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(codes), 23));
      return {_mm512_castsi512_ps(_mm512_slli_epi32(multipliers, 23)), _mm512_mul_ps(meaning, powers)};
    }
    m = _mm512_and_si512(m, _mm512_set1_epi32(0xffff));
    e = S == Stored::bf16
            ? _mm512_srli_epi32(m, 7)
            : _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtph_ps(_mm512_cvtepi32_epi16(m))), 23);
    const __mmask16 there = _mm512_cmpge_epi32_mask(e, _mm512_set1_epi32(least_exponent));
    const __mmask16 finite = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(255));
    const __m512i multipliers =
        _mm512_maskz_slli_epi32(there, _mm512_sub_epi32(_mm512_set1_epi32(2 * 127 + weight_bits), e), 23);
    const __m512i meaning =
        _mm512_maskz_slli_epi32(there, _mm512_sub_epi32(e, _mm512_set1_epi32(weight_bits)), 23);
    return {_mm512_castsi512_ps(multipliers),
            _mm512_mask_mov_ps(_mm512_set1_ps(__builtin_nanf("")), finite, _mm512_castsi512_ps(meaning))};
  }
};

}  // namespace
}  // namespace pome::kernels::blockfloat::avx512vnni
