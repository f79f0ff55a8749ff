// Products of several rows: a panel of 32 rows of W, its integers transposed, meets tiles of up to 6 rows of
// x: 12 accumulators of integers, 12 of floats.
#include "kernels/blockfloat/avx512vnni.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/products_avx512vnni.h"

namespace pome::kernels::blockfloat::avx512vnni {
namespace {

using qmm::avx512vnni::Dword;

template <bool Pairs>
using Words = qmm::avx512vnni::Kind<false, Pairs, false>;

constexpr int largest_tile = 6;
constexpr int vectors = Words<true>::vectors;
static_assert(Words<true>::step == panel_rows);

struct Panel {
  Dword* words;
  float* scales;
  Dword* pair_products;
};

// y of Rows rows and the panel's columns. Units come in counter_order, and so do their lanes.
template <bool Pairs, int Rows>
void multiply_tile(const Panel& panel, const Activations& x, int first, float* y, std::int64_t y_stride,
                   int columns) {
  constexpr int count = vectors * Rows;
  LaneSums<count> lanes;
  const std::int64_t stride = x.stride / 2;
  const auto* q = static_cast<const Dword*>(x.q) + first * stride;
  const std::int64_t first_unit = std::int64_t{first} * x.units;
  const int valid_units = (x.columns + unit - 1) / unit;
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
      __m512i sums[count];
#pragma clang loop unroll(full)
      for (int m = 0; m < Rows; ++m) {
#pragma clang loop unroll(full)
        for (int h = 0; h < vectors; ++h) {
          sums[vectors * m + h] =
              Pairs ? _mm512_sub_epi32(
                          _mm512_load_si512(panel.pair_products + std::int64_t{place} * panel_rows + 16 * h),
                          _mm512_set1_epi32(x.pair_products[first_unit + m * x.units + u]))
                    : _mm512_setzero_si512();
        }
      }
      const Dword* words = panel.words + std::int64_t{place} * unit_dwords * panel_rows;
      const Dword* from = q + std::int64_t{place} * unit_dwords;
#pragma clang loop unroll(disable)
      for (int dword = 0; dword < unit_dwords; dword += qmm::avx512vnni::group_dwords) {
        qmm::avx512vnni::multiply_group<Words<Pairs>, Rows, 0>(words + dword * panel_rows, from + dword,
                                                               stride, sums);
      }
#pragma clang loop unroll(full)
      for (int m = 0; m < Rows; ++m) {
        const __m512 d = _mm512_set1_ps(x.scale[first_unit + m * x.units + u]);
#pragma clang loop unroll(full)
        for (int h = 0; h < vectors; ++h) {
          const float* scales = panel.scales + std::int64_t{place} * panel_rows + 16 * h;
          v[vectors * m + h] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[vectors * m + h]),
                                               _mm512_mul_ps(_mm512_load_ps(scales), d), v[vectors * m + h]);
        }
      }
    }
    lanes.take(i, v);
  }
#pragma clang loop unroll(full)
  for (int c = 0; c < count; ++c) {
    const int at = c % vectors * 16;
    _mm512_mask_storeu_ps(y + c / vectors * y_stride + at, columns > at ? first_lanes(columns - at) : 0,
                          v[c]);
  }
}

template <bool Pairs, int Rows = 1>
void multiply_rows(int rows, const Panel& panel, const Activations& x, int first, float* y,
                   std::int64_t y_stride, int columns) {
  if constexpr (Rows < largest_tile) {
    if (rows > Rows) {
      return multiply_rows<Pairs, Rows + 1>(rows, panel, x, first, y, y_stride, columns);
    }
  }
  multiply_tile<Pairs, Rows>(panel, x, first, y, y_stride, columns);
}

template <Stored S, bool Full>
Scales scales_of(const Block& from) {
  Exponents<S, Full> exponents = {from, {}, {}};
#pragma clang loop unroll(full)
  for (int u = 0; u < units_per_block; ++u) exponents.take(u);
  return exponents.scales();
}

// 16 rows of a panel, all of K; rows from `end` on are the last one again.
template <Stored S>
void fill_half(Panel panel, const BlockFloatMatrix& w, int units, int first_row, int end) {
  const int blocks = units / units_per_block;
  for (int b = 0; b < blocks; ++b) {
    alignas(64) float multipliers[16][units_per_block];
    __m512i meanings[16];
    Block from[16];
    for (int i = 0; i < 16; ++i) {
      from[i] = block_of(w, first_row + i < end ? first_row + i : end - 1, b);
      const Scales scales =
          from[i].left >= block ? scales_of<S, true>(from[i]) : scales_of<S, false>(from[i]);
      _mm512_store_ps(multipliers[i], scales.multipliers);
      meanings[i] = _mm512_castps_si512(scales.meaning);
    }
    transpose(meanings);
    for (int u = 0; u < units_per_block && u * unit < from[0].left; ++u) {
      const std::int64_t place = counter_order[u] * blocks + b;
      __m512i r[16];
      for (int i = 0; i < 16; ++i) {
        const Floats weights =
            load_weights<S>(from[i].p + u * unit * stored_bytes(S), first_words(from[i].left - u * unit));
        r[i] = words_of<S>(integers<S>(weights, _mm512_set1_ps(multipliers[i][u])));
      }
      transpose(r);
      __m512i products = _mm512_setzero_si512();
      Dword* to = panel.words + place * unit_dwords * panel_rows;
#pragma clang loop unroll(full)
      for (int d = 0; d < unit_dwords; ++d) {
        _mm512_store_si512(to + d * panel_rows, r[d]);
        if (qmm::avx512vnni::starts_pair(d % qmm::avx512vnni::group_dwords)) {
          products = _mm512_add_epi32(products, _mm512_madd_epi16(r[d], r[(d + 1) % unit_dwords]));
        }
      }
      _mm512_store_si512(panel.pair_products + place * panel_rows,
                         _mm512_sub_epi32(_mm512_setzero_si512(), products));
      _mm512_store_ps(panel.scales + place * panel_rows, _mm512_castsi512_ps(meanings[u]));
    }
  }
}

void fill(const Panel& panel, const BlockFloatMatrix& w, int units, int first_row, int end) {
  for (int half = 0; half < panel_rows; half += 16) {
    const Panel part = {panel.words + half, panel.scales + half, panel.pair_products + half};
    switch (w.stored) {
      case Stored::f16:
        fill_half<Stored::f16>(part, w, units, first_row + half, end);
        break;
      case Stored::bf16:
        fill_half<Stored::bf16>(part, w, units, first_row + half, end);
        break;
      case Stored::e4m3:
        fill_half<Stored::e4m3>(part, w, units, first_row + half, end);
        break;
    }
  }
}

}  // namespace

void gemm(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
          int end, void* scratch) {
  const std::int64_t one = panel_bytes(x);
  const int at_once = qmm::panels_at_once(one);
  const auto panel = [&](int i) {
    auto* words = reinterpret_cast<Dword*>(static_cast<std::uint8_t*>(scratch) + i * one);
    auto* scales = words + std::int64_t{x.units} * unit_dwords * panel_rows;
    return Panel{words, reinterpret_cast<float*>(scales), scales + std::int64_t{x.units} * panel_rows};
  };
  const auto multiply = x.format.pairs ? multiply_rows<true> : multiply_rows<false>;
  for (int n = begin; n < end; n += at_once * panel_rows) {
    int panels = 0;
    for (; panels < at_once && n + panels * panel_rows < end; ++panels) {
      fill(panel(panels), w, x.units, n + panels * panel_rows, end);
    }
    for (int m = 0, rows = 0; m < x.rows; m += rows) {
      rows = qmm::rows_of_next_tile(x.rows - m, largest_tile);
      for (int i = 0; i < panels; ++i) {
        const int column = n + i * panel_rows;
        const int columns = end - column < panel_rows ? end - column : panel_rows;
        multiply(rows, panel(i), x, m, y + m * y_stride + column, y_stride, columns);
      }
    }
  }
}

}  // namespace pome::kernels::blockfloat::avx512vnni
