// Products of several rows: a panel of 32 rows of W, its codes unpacked to words or bytes and transposed,
// meets tiles of up to 6 rows of x, both stored unit by unit (layout.h): 12 accumulators of integers, 12 of
// floats.
#include "kernels/qmm/levels.h"
#include "kernels/qmm/panels_avx512vnni.h"
#include "kernels/qmm/products_avx512vnni.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

// Rows of x up to which codes stay packed: those of one tile.
constexpr int most_packed_rows = 10;

// The same for all dwords of a unit.
template <class Kind, int Rows, int Run = 0>
[[gnu::always_inline]] inline void multiply_unit(const Dword* codes, const Dword* x, std::int64_t stride,
                                                 int unit_dwords, __m512i (&sums)[Kind::vectors * Rows]) {
  if constexpr (Kind::packed) {
    multiply_group<Kind, Rows, Run>(codes, x + Run * group_dwords, stride, sums);
    constexpr int runs = Kind::bytes ? 2 : 4;
    if constexpr (Run + 1 < runs) multiply_unit<Kind, Rows, Run + 1>(codes, x, stride, unit_dwords, sums);
  } else {
#pragma clang loop unroll(disable)
    for (int d = 0; d < unit_dwords; d += group_dwords) {
      multiply_group<Kind, Rows, 0>(codes + d * Kind::step, x + d, stride, sums);
    }
  }
}

// y of Rows rows and 16 or 32 of the panel's columns, from `column` on. Lane by lane, in counter_order, the
// lane's units are added up, and then the lanes.
template <class Kind, int Rows>
void multiply_tile(const Panel& panel, const Tile& tile, int unit_dwords, int column) {
  constexpr int vectors = Kind::vectors, count = vectors * Rows;
  LaneSums<count> lanes;
  const Activations& x = tile.x;
  const std::int64_t stride = x.stride * (Kind::bytes ? 1 : 2) / 4, units = x.units;
  const std::int64_t first = tile.first * units;
  const int unit_codes = Kind::packed ? group_dwords : unit_dwords;  // in dwords, of one row of W
  const auto* codes = static_cast<const Dword*>(panel.codes) + column * units * unit_codes;
  const auto* q = static_cast<const Dword*>(x.q) + tile.first * stride;
  const int valid_units = x.columns / x.format.unit;
  const int lines = static_cast<int>((tile.ahead.end - tile.ahead.at) / 64 / valid_units) + 1;
  const std::uint8_t* ahead = tile.ahead.at;
  __m512 v[count];
  for (int i = 0, place = 0; i < units_per_block; ++i) {
#pragma clang loop unroll(full)
    for (__m512& lane : v) lane = _mm512_setzero_ps();
    for (int u = counter_order[i]; u < x.units; u += units_per_block, ++place) {
      if (u >= valid_units) {
#pragma clang loop unroll(full)
        for (__m512& lane : v) lane = _mm512_add_ps(lane, _mm512_setzero_ps());
        continue;
      }
      for (int l = 0; l < lines && ahead < tile.ahead.end; ++l, ahead += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      }
      const std::int64_t of_panel = place * panel_rows + column;
      __m512i sums[count];
#pragma clang loop unroll(full)
      for (int m = 0; m < Rows; ++m) {
#pragma clang loop unroll(full)
        for (int h = 0; h < vectors; ++h) {
          sums[vectors * m + h] =
              Kind::pairs ? _mm512_sub_epi32(_mm512_load_si512(panel.pair_products + of_panel + 16 * h),
                                             _mm512_set1_epi32(x.pair_products[first + m * units + place]))
                          : _mm512_setzero_si512();
        }
      }
      multiply_unit<Kind, Rows>(codes + std::int64_t{place} * unit_codes * Kind::step,
                                q + std::int64_t{place} * unit_dwords, stride, unit_dwords, sums);
#pragma clang loop unroll(full)
      for (int m = 0; m < Rows; ++m) {
        const __m512 d = _mm512_set1_ps(x.scale[first + m * units + place]);
        const __m512 sum = _mm512_set1_ps(x.sum[first + m * units + place]);
#pragma clang loop unroll(full)
        for (int h = 0; h < vectors; ++h) {
          __m512& lane = v[vectors * m + h];
          const __m512 scale = _mm512_mul_ps(_mm512_load_ps(panel.scales + of_panel + 16 * h), d);
          lane = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[vectors * m + h]), scale, lane);
          lane = _mm512_fmadd_ps(_mm512_load_ps(panel.biases + of_panel + 16 * h), sum, lane);
        }
      }
    }
    lanes.take(i, v);
  }
#pragma clang loop unroll(full)
  for (int c = 0; c < count; ++c) {
    const int at = column + c % vectors * 16;
    _mm512_mask_storeu_ps(tile.y + c / vectors * tile.y_stride + at,
                          tile.columns > at ? first_lanes(tile.columns - at) : 0, v[c]);
  }
}

template <class Kind, int Most, int Rows = 1>
void multiply_rows(const Panel& panel, const Tile& tile, int rows, int unit_dwords, int column) {
  if constexpr (Rows < Most) {
    if (rows > Rows) return multiply_rows<Kind, Most, Rows + 1>(panel, tile, rows, unit_dwords, column);
  }
  multiply_tile<Kind, Rows>(panel, tile, unit_dwords, column);
}

template <class Kind, int Bits, int Unit>
struct Gemm : Panels<Kind, Bits, Unit> {
  using Panels<Kind, Bits, Unit>::unit_dwords;
  static constexpr int largest_tile = Kind::packed ? most_packed_rows : 6;

  static void multiply(const Panel& panel, const Tile& tile, int rows) {
    multiply_rows<Kind, largest_tile>(panel, tile, rows, unit_dwords, 0);
    if (!Kind::packed || tile.columns <= 16) return;
    Tile second = tile;
    second.ahead.at = tile.ahead.end;
    multiply_rows<Kind, largest_tile>(panel, second, rows, unit_dwords, 16);
  }
};

template <int Bits, int Unit, bool Bytes, bool Pairs>
void gemm_of(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
             int end, void* scratch) {
  if constexpr (Bits == 4 && Unit == 64 && Pairs) {
    if (x.rows <= most_packed_rows) {
      return walk_panels<Gemm<Kind<Bytes, Pairs, true>, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch,
                                                                     1);
    }
  }
  walk_panels<Gemm<Kind<Bytes, Pairs, false>, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
}

template <int Bits, int Unit>
void gemm_any(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end, void* scratch) {
  const bool bytes = x.format.storage == Storage::unit_bytes;
  if constexpr (Bits <= 6) {
    if (x.format.pairs && !bytes)
      return gemm_of<Bits, Unit, false, true>(w, x, y, y_stride, begin, end, scratch);
  }
  if constexpr (Bits <= 4) {
    if (x.format.pairs) return gemm_of<Bits, Unit, true, true>(w, x, y, y_stride, begin, end, scratch);
  }
  bytes ? gemm_of<Bits, Unit, true, false>(w, x, y, y_stride, begin, end, scratch)
        : gemm_of<Bits, Unit, false, false>(w, x, y, y_stride, begin, end, scratch);
}

}  // namespace

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch) {
  POME_QMM_DISPATCH(gemm_any, w, x, y, y_stride, begin, end, scratch)
}

}  // namespace pome::kernels::qmm::avx512vnni
