// How panels of gemm are filled with AVX-512: codes of 32 rows of W, unpacked to words or bytes and
// transposed, for products that meet them dword by dword (gemm_avx512vnni.cpp) or tile by tile (amx.cpp).
#pragma once

#include "kernels/qmm/avx512vnni.h"
#include "kernels/qmm/gemm_impl.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

constexpr int panel_rows = 32;

// The panels of one kind of products. Kind: bytes, pairs, packed, step (from dword to dword of a panel).
template <class Kind, int Bits, int Unit>
struct Panels {
  static constexpr int panel_rows = avx512vnni::panel_rows;
  static constexpr bool bytes = Kind::bytes;
  static constexpr int stored_bits = unpacked_first(Bits) ? 8 : Bits;  // of a code when it is transposed
  static constexpr int runs = unit_interleave(Bits, bytes);
  static constexpr int unit_dwords = Unit / (bytes ? 4 : 2);
  static constexpr int run_dwords = unit_dwords / runs;
  static constexpr int unit_codes = Kind::packed ? run_dwords : unit_dwords;

  // 16 rows, all of K. The processor may not follow so many: the next bytes of each row are asked for, and as
  // many bytes from `ahead` on.
  static void fill_codes(Dword* out, std::int32_t* products, const std::uint8_t* const* rows, int columns,
                         int units, Ahead ahead) {
    constexpr int chunk_codes = 512 / stored_bits;
    constexpr int chunk_bytes = chunk_codes / 8 * Bits;
    __m512i r[16];
    for (int k = 0; k < columns; k += chunk_codes) {
      const std::int64_t at = std::int64_t{k} / 8 * Bits, left = std::int64_t{columns - k} / 8 * Bits;
      for (int i = 0; i < 16; ++i) {
        _mm_prefetch(reinterpret_cast<const char*>(rows[i] + at + 4 * chunk_bytes), _MM_HINT_T0);
        if constexpr (unpacked_first(Bits)) {
          r[i] = unpack<Bits>(rows[i] + at, columns - k);
        } else {
          r[i] = left >= 64 ? _mm512_loadu_si512(rows[i] + at)
                            : _mm512_maskz_loadu_epi8(~0ull >> (64 - left), rows[i] + at);
        }
      }
      for (int i = 0; i < 16 * chunk_bytes && ahead.at < ahead.end; i += 64, ahead.at += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead.at), _MM_HINT_T0);
      }
      transpose(r);
#pragma clang loop unroll(full)
      for (int d = 0; d < 16; d += run_dwords) {
        const int unit = k / Unit + d / run_dwords;
        if (unit * Unit >= columns) break;
        const std::int64_t place = place_of(unit, units);
        store_unit(out + place * unit_codes * Kind::step, r + d);
        if constexpr (Kind::pairs) {
          _mm512_store_si512(products + place * panel_rows, pair_products(r + d));
        }
      }
    }
  }

  // The codes of run j, of which there are `runs` in a dword.
  [[gnu::always_inline]] static __m512i run_of(__m512i packed, int j) {
    const __m512i mask = bytes ? _mm512_set1_epi8(static_cast<char>((1 << stored_bits) - 1))
                               : _mm512_set1_epi16(static_cast<short>((1 << stored_bits) - 1));
    return _mm512_and_si512(_mm512_srli_epi32(packed, static_cast<unsigned>(j * stored_bits)), mask);
  }

  [[gnu::always_inline]] static void store_unit(Dword* to, const __m512i* packed) {
#pragma clang loop unroll(full)
    for (int d = 0; d < run_dwords; ++d, to += Kind::step) {
      if constexpr (Kind::packed) {
        _mm512_store_si512(to, packed[d]);
        continue;
      }
#pragma clang loop unroll(full)
      for (int j = 0; j < runs; ++j)
        _mm512_store_si512(to + j * run_dwords * Kind::step, run_of(packed[d], j));
    }
  }

  // Minus what the pairs of a unit's codes add to its products.
  [[gnu::always_inline]] static __m512i pair_products(const __m512i* packed) {
    constexpr int pairs = unit_dwords / group_dwords * 3 * 4;
    __m512i sums = _mm512_setzero_si512();
#pragma clang loop unroll(full)
    for (int d = 0; d < unit_dwords; d += group_dwords) {
      __m512i of_group = _mm512_setzero_si512();
#pragma clang loop unroll(full)
      for (int i = d; i < d + group_dwords; i += 3) {
        const __m512i w0 = run_of(packed[i % run_dwords], i / run_dwords);
        const __m512i w1 = run_of(packed[(i + 1) % run_dwords], (i + 1) / run_dwords);
        if constexpr (bytes) {
          of_group = add_products(of_group, _mm512_add_epi8(w1, _mm512_set1_epi8(pair_offset)),
                                  _mm512_add_epi8(w0, _mm512_set1_epi8(code_offset)));
        } else {
          of_group = _mm512_dpwssd_epi32(of_group, w0, w1);
        }
      }
      sums = _mm512_add_epi32(sums, of_group);
    }
    return _mm512_sub_epi32(_mm512_set1_epi32(bytes ? pairs * pair_offset * code_offset : 0), sums);
  }

  template <bool Full>
  static void fill_scales(float* out, const QuantizedMatrix& w, const void* from, int first_row, int unit,
                          int all_units) {
    const std::int64_t groups = w.columns / w.group;
    const bool two_per_group = w.group > Unit;
    const int left = w.columns / Unit - unit, units = left < units_per_block ? left : units_per_block;
    __m512i r[16];
    for (int i = 0; i < 16; ++i) {
      const int n = first_row + i < w.rows ? first_row + i : w.rows - 1;
      const std::int64_t group = n * groups + (two_per_group ? unit / 2 : unit);
      r[i] = _mm512_castps_si512(load_scales<Full>(from, w.scale_type, group, units, two_per_group));
    }
    transpose(r);
    // The block's places lie the same distance apart, in counter_order.
    const std::int64_t step = std::int64_t{all_units / units_per_block} * panel_rows;
    out += std::int64_t{unit / units_per_block} * panel_rows;
#pragma clang loop unroll(full)
    for (int i = 0; i < units_per_block; ++i) _mm512_store_si512(out + counter_order[i] * step, r[i]);
  }

  static void fill(const Panel& panel, const QuantizedMatrix& w, const Activations& x, int first_row) {
    const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
    for (int half = 0; half < panel_rows; half += 16) {
      const std::uint8_t* rows[16];
      for (int i = 0; i < 16; ++i) {
        const int n = first_row + half + i < w.rows ? first_row + half + i : w.rows - 1;
        rows[i] = w.codes + n * row_bytes;
      }
      Dword* codes = static_cast<Dword*>(panel.codes) +
                     (Kind::packed ? std::int64_t{half} * x.units * unit_codes : half);
      const Ahead ahead = {rows[15] + row_bytes, w.codes + w.rows * row_bytes};
      fill_codes(codes, panel.pair_products + half, rows, w.columns, x.units, ahead);
      for (int u = 0; u * Unit < w.columns; u += units_per_block) {
        const auto fill = (u + units_per_block) * Unit <= w.columns ? fill_scales<true> : fill_scales<false>;
        fill(panel.scales + half, w, w.scales, first_row + half, u, x.units);
        fill(panel.biases + half, w, w.biases, first_row + half, u, x.units);
      }
    }
    const std::int64_t scale_bytes =
        std::int64_t{w.columns / w.group} * (w.scale_type == Element::f32 ? 4 : 2);
    const std::int64_t next = (first_row + panel_rows) * scale_bytes;
    for (std::int64_t i = next; i < next + panel_rows * scale_bytes && i < w.rows * scale_bytes; i += 64) {
      _mm_prefetch(static_cast<const char*>(w.scales) + i, _MM_HINT_T1);
      _mm_prefetch(static_cast<const char*>(w.biases) + i, _MM_HINT_T1);
    }
  }
};

}  // namespace
}  // namespace pome::kernels::qmm::avx512vnni
