// Products of several rows: a panel of 32 rows of W, its codes unpacked to bytes and transposed, meets tiles
// of up to 8 rows of x: 16 accumulators.
#include "kernels/qmm/avx512vnni.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

using Dword = std::int32_t __attribute__((may_alias));

constexpr int panel_rows = 32;

// Volatile, so that the compiler keeps the order in which they are written: it would load all of a loop's
// dwords first and spill most of them.
[[gnu::always_inline]] inline __m512i broadcast(const Dword* p) {
  __m512i v;
  asm volatile("vpbroadcastd %1, %0" : "=v"(v) : "m"(*p));
  return v;
}
[[gnu::always_inline]] inline void multiply_add(__m512i& sums, __m512i codes, __m512i x) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
}

// r[i] lane j ↔ r[j] lane i.
inline void transpose(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int h = 0; h < 2; ++h) {
      r[i + 2 * h] = _mm512_unpacklo_epi64(t[i + h], t[i + h + 2]);
      r[i + 2 * h + 1] = _mm512_unpackhi_epi64(t[i + h], t[i + h + 2]);
    }
  }
  // r[4a + c] holds, in 128-bit lane l, rows 4a … 4a + 3 of column 4l + c.
  for (int c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
    const __m512i even23 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const __m512i odd23 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
    t[c] = _mm512_shuffle_i32x4(even01, even23, 0x88);
    t[8 + c] = _mm512_shuffle_i32x4(even01, even23, 0xdd);
    t[4 + c] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
  }
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// Where dwords stand, of codes in a panel and of activations.
struct Geometry {
  int valid_units;
  int unit_dwords;
  int run_dwords;  // a multiple of Group
  int run_stride;
  int plane_stride;
};

// The sums of one unit, Group dwords at a time.
template <int Planes, int Rows, int Group>
[[gnu::always_inline]] inline void multiply_unit(const Geometry& g, const Dword* codes_of_unit,
                                                 const Dword* x, std::int64_t stride,
                                                 __m512i (&sums)[2 * Rows]) {
#pragma clang loop unroll(full)
  for (int c = 0; c < 2 * Rows; ++c) sums[c] = _mm512_setzero_si512();
#pragma clang loop unroll(full)
  for (int plane = 0; plane < Planes; ++plane, x += g.plane_stride) {
    if (plane == 1) {
#pragma clang loop unroll(full)
      for (int c = 0; c < 2 * Rows; ++c) sums[c] = _mm512_slli_epi32(sums[c], 8);
    }
    const Dword* codes = codes_of_unit;
    const Dword* run = x;
    for (int first = 0, left = g.run_dwords; first < g.unit_dwords; first += Group) {
#pragma clang loop unroll(full)
      for (int p = 0; p < Group; ++p, codes += panel_rows) {
        const __m512i w0 = _mm512_load_si512(codes), w1 = _mm512_load_si512(codes + 16);
#pragma clang loop unroll(full)
        for (int m = 0; m < Rows; ++m) {
          const __m512i v = broadcast(run + m * stride + p);
          multiply_add(sums[2 * m], w0, v);
          multiply_add(sums[2 * m + 1], w1, v);
        }
      }
      left -= Group;
      run += left > 0 ? Group : Group + g.run_stride - g.run_dwords;
      left = left > 0 ? left : g.run_dwords;
    }
  }
}

// y of Rows rows and the panel's columns. Lane by lane, in counter_order, the lane's units are added up;
// lanes are added like a binary counter: `pending[l]` is the sum of 2^l of them that waits for its neighbour.
template <int Planes, int Rows, int Group>
void multiply_tile(const Panel& panel, const Tile& tile, const Geometry& g, const UnitLayout& layout) {
  alignas(64) float pending[4][2 * Rows][16];
  alignas(64) float lane[2 * Rows][16];
  const Activations& x = tile.x;
  const std::int64_t stride = x.stride * Planes / 4;
  const auto* q = static_cast<const Dword*>(x.q) + tile.first * stride;
  const float* d = x.scale + static_cast<std::int64_t>(tile.first) * x.units;
  const float* sum = x.sum + static_cast<std::int64_t>(tile.first) * x.units;
  __m512 v[2 * Rows];
  for (int i = 0; i < units_per_block; ++i) {
    const Dword* run = q + layout.first(counter_order[i]);
    for (int u = counter_order[i]; u < x.units; u += units_per_block, run += g.plane_stride * Planes) {
      __m512i sums[2 * Rows];
      if (u < g.valid_units) {
        multiply_unit<Planes, Rows, Group>(
            g, static_cast<const Dword*>(panel.codes) + u * g.unit_dwords * panel_rows, run, stride, sums);
      } else {
#pragma clang loop unroll(full)
        for (__m512i& s : sums) s = _mm512_setzero_si512();
      }
      if (u >= units_per_block) {
#pragma clang loop unroll(full)
        for (int c = 0; c < 2 * Rows; ++c) v[c] = _mm512_load_ps(lane[c]);
      } else {
#pragma clang loop unroll(full)
        for (int c = 0; c < 2 * Rows; ++c) v[c] = _mm512_setzero_ps();
      }
#pragma clang loop unroll(full)
      for (int m = 0; m < Rows; ++m) {
        const __m512 dm = _mm512_set1_ps(d[m * x.units + u]), sm = _mm512_set1_ps(sum[m * x.units + u]);
#pragma clang loop unroll(full)
        for (int h = 0; h < 2; ++h) {
          const __m512 scale = _mm512_mul_ps(_mm512_load_ps(panel.scales + u * panel_rows + 16 * h), dm);
          const __m512 bias = _mm512_load_ps(panel.biases + u * panel_rows + 16 * h);
          v[2 * m + h] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[2 * m + h]), scale, v[2 * m + h]);
          v[2 * m + h] = _mm512_fmadd_ps(bias, sm, v[2 * m + h]);
        }
      }
      if (u + units_per_block < x.units) {
#pragma clang loop unroll(full)
        for (int c = 0; c < 2 * Rows; ++c) _mm512_store_ps(lane[c], v[c]);
      }
    }
    int level = 0;
    for (; i >> level & 1; ++level) {
#pragma clang loop unroll(full)
      for (int c = 0; c < 2 * Rows; ++c) v[c] = _mm512_add_ps(_mm512_load_ps(pending[level][c]), v[c]);
    }
    if (level < 4) {
#pragma clang loop unroll(full)
      for (int c = 0; c < 2 * Rows; ++c) _mm512_store_ps(pending[level][c], v[c]);
    }
  }
#pragma clang loop unroll(full)
  for (int c = 0; c < 2 * Rows; ++c) {
    _mm512_mask_storeu_ps(tile.y + c / 2 * tile.y_stride + c % 2 * 16,
                          tile.columns > c % 2 * 16 ? first_lanes(tile.columns - c % 2 * 16) : 0, v[c]);
  }
}

template <int Planes, int Group>
void multiply_rows(const Panel& panel, const Tile& tile, int rows, const Geometry& g,
                   const UnitLayout& layout) {
  switch (rows) {
    case 1:
      return multiply_tile<Planes, 1, Group>(panel, tile, g, layout);
    case 2:
      return multiply_tile<Planes, 2, Group>(panel, tile, g, layout);
    case 3:
      return multiply_tile<Planes, 3, Group>(panel, tile, g, layout);
    case 4:
      return multiply_tile<Planes, 4, Group>(panel, tile, g, layout);
    case 5:
      return multiply_tile<Planes, 5, Group>(panel, tile, g, layout);
    case 6:
      return multiply_tile<Planes, 6, Group>(panel, tile, g, layout);
    case 7:
      return multiply_tile<Planes, 7, Group>(panel, tile, g, layout);
    default:
      return multiply_tile<Planes, 8, Group>(panel, tile, g, layout);
  }
}

template <int Planes, int Bits, int Unit>
struct Gemm {
  static constexpr int panel_rows = avx512vnni::panel_rows;
  static constexpr int largest_tile = 8;
  static constexpr bool bytes = true;
  static constexpr int interleave = interleave_of(Bits, true);
  static constexpr UnitLayout layout = unit_layout(interleave, Unit, true);
  static constexpr int unit_dwords = Unit / 4;

  // 16 rows, all of K. As many bytes from `ahead` on are asked for: the rows of the next panel, in the order
  // of memory, which these reads across 16 rows are not.
  static void fill_codes(Dword* out, const std::uint8_t* const* rows, int columns,
                         const std::uint8_t*& ahead) {
    constexpr int chunk_codes = 64 * interleave;
    constexpr int chunk_bytes = chunk_codes / 8 * Bits;
    __m512i r[16];
    for (int k = 0; k < columns; k += chunk_codes) {
      const std::int64_t at = std::int64_t{k} / 8 * Bits, left = std::int64_t{columns - k} / 8 * Bits;
      const __m512i mask = _mm512_set1_epi8(static_cast<char>((1 << Bits) - 1));
      for (int i = 0; i < 16; ++i) {
        if constexpr (unpacked_first(Bits)) {
          r[i] = unpack<Bits>(rows[i] + at, columns - k);
        } else {
          r[i] = left >= 64 ? _mm512_loadu_si512(rows[i] + at)
                            : _mm512_maskz_loadu_epi8(~0ull >> (64 - left), rows[i] + at);
        }
      }
      for (int i = 0; i < 16 * chunk_bytes; i += 64, ahead += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      }
      transpose(r);
      for (int d = 0; d < 16; ++d) {
        const int unit = k / Unit + d / layout.dwords;
        if (unit * Unit >= columns) break;
        Dword* to = out + (unit * unit_dwords + d % layout.dwords) * panel_rows;
        for (int j = 0; j < interleave; ++j) {
          _mm512_store_si512(
              to + j * layout.dwords * panel_rows,
              _mm512_and_si512(_mm512_srli_epi32(r[d], static_cast<unsigned>(j * Bits)), mask));
        }
      }
    }
  }

  static void fill(const Panel& panel, const QuantizedMatrix& w, const Activations& x, int first_row) {
    const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
    const std::int64_t groups = w.columns / w.group;
    const bool two_per_group = w.group > Unit;
    const int valid_units = w.columns / Unit;
    const std::uint8_t* ahead = w.codes + (first_row + panel_rows) * row_bytes;
    for (int half = 0; half < panel_rows; half += 16) {
      const std::uint8_t* rows[16];
      for (int i = 0; i < 16; ++i) {
        const int n = first_row + half + i < w.rows ? first_row + half + i : w.rows - 1;
        rows[i] = w.codes + n * row_bytes;
      }
      fill_codes(static_cast<Dword*>(panel.codes) + half, rows, w.columns, ahead);
      for (int u = 0; u < x.units; u += units_per_block) {
        const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
        __m512i scales[16], biases[16];
        for (int i = 0; i < 16; ++i) {
          const int n = first_row + half + i < w.rows ? first_row + half + i : w.rows - 1;
          const std::int64_t group = n * groups + (two_per_group ? u / 2 : u);
          scales[i] =
              _mm512_castps_si512(load_scales<false>(w.scales, w.scale_type, group, units, two_per_group));
          biases[i] =
              _mm512_castps_si512(load_scales<false>(w.biases, w.scale_type, group, units, two_per_group));
        }
        transpose(scales);
        transpose(biases);
        for (int i = 0; i < units_per_block; ++i) {
          _mm512_store_si512(panel.scales + (u + i) * panel_rows + half, scales[i]);
          _mm512_store_si512(panel.biases + (u + i) * panel_rows + half, biases[i]);
        }
      }
    }
  }

  static void multiply(const Panel& panel, const Tile& tile, int rows) {
    const Geometry g = {tile.x.columns / Unit, unit_dwords, layout.dwords, layout.run_stride,
                        units_per_block * unit_dwords};
    multiply_rows < Planes, layout.dwords<4 ? layout.dwords : 4>(panel, tile, rows, g, layout);
  }
};

template <int Bits, int Unit>
void gemm_any(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end, void* scratch) {
  if (x.format.storage == Storage::bytes) {
    return walk_panels<Gemm<1, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
  }
  walk_panels<Gemm<2, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
}

}  // namespace

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch) {
  POME_QMM_DISPATCH(gemm_any, w, x, y, y_stride, begin, end, scratch)
}

}  // namespace pome::kernels::qmm::avx512vnni
