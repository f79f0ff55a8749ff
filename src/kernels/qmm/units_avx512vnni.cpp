// Quantizes activations unit by unit (layout.h), for products of several rows.
#include "kernels/qmm/avx512vnni.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

// Dwords 0, 3 and 6 of every eight start a pair, 1, 4 and 7 end one.
constexpr __mmask16 starts = 0x4949, ends = 0x9292;

// Byte 0 of each word of a unit.
inline __m512i first_bytes(const __m512i* words) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(words[0])),
                            _mm512_cvtepi16_epi8(words[1]), 1);
}

template <Storage As, int Unit, int Interleave>
void quantize_row(const float* x, const Activations& to, int row) {
  // Which words of a unit come to stand where.
  alignas(64) static constexpr auto order = [] {
    struct {
      std::int16_t words[Unit];
    } t{};
    constexpr int run = Unit / Interleave;
    for (int i = 0; i < Unit; ++i) t.words[i] = static_cast<std::int16_t>(i % run * Interleave + i / run);
    return t;
  }();
  constexpr int vectors = Unit / 32;  // of words
  constexpr bool as_bytes = As == Storage::unit_bytes;
  constexpr __mmask64 unit_mask = ~0ull >> (64 - Unit);
  const bool pairs = to.format.pairs;
  const __m512i offsets =
      _mm512_or_si512(_mm512_maskz_set1_epi32(starts, 0x01010101 * pair_offset),
                      _mm512_maskz_set1_epi32(ends, static_cast<int>(0x01010101u * (256 + code_offset))));
  auto* q = static_cast<std::uint8_t*>(to.q) + row * to.stride * (as_bytes ? 1 : 2);
  const std::int64_t first = static_cast<std::int64_t>(row) * to.units;
  for (int u = 0; u < to.units; ++u) {
    const float* values = x + static_cast<std::int64_t>(u) * Unit;
    const int place = place_of(u, to.units);
    const Divisor by =
        u * Unit < to.columns ? divisor_of(values, Unit, to.format.levels) : Divisor{0, 0, true};
    __m512i total = _mm512_setzero_si512();
    __m512i natural[2] = {}, words[2] = {};
    for (int i = 0; i < vectors; ++i) natural[i] = divide(values + 32 * i, by, total);
    for (int i = 0; i < vectors; ++i) {
      words[i] = _mm512_permutex2var_epi16(natural[0], _mm512_load_si512(order.words + 32 * i), natural[1]);
    }
    __m512i products = _mm512_setzero_si512();
    std::uint8_t* at = q + std::int64_t{place} * Unit * (as_bytes ? 1 : 2);
    if constexpr (As == Storage::unit_split) {
      __m512i high[2] = {};
      for (int i = 0; i < vectors; ++i) {
        high[i] = _mm512_srli_epi16(_mm512_add_epi16(words[i], _mm512_set1_epi16(128)), 8);
      }
      _mm512_mask_storeu_epi8(at, unit_mask, first_bytes(high));
      _mm512_mask_storeu_epi8(at + Unit, unit_mask, first_bytes(words));
    } else if constexpr (as_bytes) {
      __m512i bytes = first_bytes(words);
      if (pairs) {
        bytes = _mm512_add_epi8(bytes, offsets);
        products = add_products(products, bytes, _mm512_alignr_epi32(bytes, bytes, 1));
      }
      _mm512_mask_storeu_epi8(at, unit_mask, bytes);
    } else {
      for (int i = 0; i < vectors; ++i) {
        _mm512_storeu_si512(at + 64 * i, words[i]);
        products = _mm512_dpwssd_epi32(products, words[i], _mm512_alignr_epi32(words[i], words[i], 1));
      }
    }
    constexpr __mmask16 there = as_bytes && Unit == 32 ? starts & 0xff : starts;
    to.pair_products[first + place] = _mm512_mask_reduce_add_epi32(there, products);
    to.scale[first + place] = by.scale;
    to.sum[first + place] =
        by.zero ? by.scale : by.scale * static_cast<float>(_mm512_reduce_add_epi32(total));
  }
}

template <Storage As, int Unit>
void quantize_unit(const float* x, const Activations& to, int row) {
  switch (to.format.interleave) {
    case 1:
      return quantize_row<As, Unit, 1>(x, to, row);
    case 2:
      return quantize_row<As, Unit, 2>(x, to, row);
    case 4:
      return quantize_row<As, Unit, 4>(x, to, row);
    default:
      return quantize_row<As, Unit, 8>(x, to, row);
  }
}

template <Storage As>
void quantize_as(const float* x, const Activations& to, int row) {
  to.format.unit == 32 ? quantize_unit<As, 32>(x, to, row) : quantize_unit<As, 64>(x, to, row);
}

}  // namespace

void quantize_units(const float* x, const Activations& to, int row) {
  switch (to.format.storage) {
    case Storage::unit_bytes:
      return quantize_as<Storage::unit_bytes>(x, to, row);
    case Storage::unit_split:
      return quantize_as<Storage::unit_split>(x, to, row);
    default:
      return quantize_as<Storage::unit_words>(x, to, row);
  }
}

}  // namespace pome::kernels::qmm::avx512vnni
