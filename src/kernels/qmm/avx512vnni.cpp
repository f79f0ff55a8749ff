// AVX-512 with VNNI: 32 products of 16 bits per instruction, or 64 of 8 bits.
//
// gemv walks one row of W at a time, 64 bytes per step with a prefetch 4 KiB ahead (several rows at once
// halve the bandwidth). gemm unpacks a panel of 32 rows by one block of K into pairs of 16-bit codes, 64 KiB
// that stay in the second-level cache, and runs tiles of up to 8 rows of x over it: 16 accumulators.
#include "kernels/avx512.h"
#include "kernels/qmm/layout.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

constexpr int panel_rows = 32;
constexpr int largest_tile = 8;
constexpr int prefetch_bytes = 4096;

using Dword = std::int32_t __attribute__((may_alias));

// How activations are stored and multiplied. The products are instructions and not intrinsics: GCC 12 wraps
// those in two register moves, and clang's machine combiner takes some apart into a multiplication and an
// addition.
struct Words {
  using Stored = std::int16_t;
  static constexpr bool bytes = false;
  static constexpr int lanes = 32;
  static constexpr int per_dword = 2;

  static __m512i lane_mask(int bits) { return _mm512_set1_epi16(static_cast<short>((1 << bits) - 1)); }
  static __m512i add_products(__m512i sums, __m512i codes, __m512i x) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
    return sums;
  }
  // `lanes` codes of Bits bits in natural order, of which the first `count` are there.
  template <int Bits>
  static __m512i unpack(const std::uint8_t* p, std::int64_t count) {
    return count > 0 ? natural_codes<Bits>(p) : _mm512_setzero_si512();
  }
};

struct Bytes {
  using Stored = std::int8_t;
  static constexpr bool bytes = true;
  static constexpr int lanes = 64;
  static constexpr int per_dword = 4;

  static __m512i lane_mask(int bits) { return _mm512_set1_epi8(static_cast<char>((1 << bits) - 1)); }
  static __m512i add_products(__m512i sums, __m512i codes, __m512i x) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
    return sums;
  }
  template <int Bits>
  static __m512i unpack(const std::uint8_t* p, std::int64_t count) {
    const __m256i low = _mm512_cvtepi16_epi8(Words::unpack<Bits>(p, count));
    const __m256i high = _mm512_cvtepi16_epi8(Words::unpack<Bits>(p + 4 * Bits, count - 32));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
};

// The first `bytes` bytes at p, zeros behind them.
inline __m512i load_bytes(const std::uint8_t* p, std::int64_t bytes) {
  if (bytes >= 64) return _mm512_loadu_si512(p);
  return _mm512_maskz_loadu_epi8(bytes <= 0 ? 0 : ~0ull >> (64 - bytes), p);
}

// Per 128-bit lane: the sums of a's, b's, c's and d's four dwords.
inline __m512i sum_lanes(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

// Lanes 0 + 1 and 2 + 3 of a, then of b.
inline __m512i sum_lane_pairs(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

// Dword u: the sum of unit u. Unit u's `Dwords` partial sums stand in t[u·Dwords/16], one unit behind the
// other.
template <int Dwords>
inline __m512i sum_units(const __m512i* t) {
  if constexpr (Dwords == 2) {
    const __m512 a = _mm512_castsi512_ps(t[0]), b = _mm512_castsi512_ps(t[1]);
    const __m512i sums = _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88)),
                                          _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd)));
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15),
                                    sums);
  } else {
    const __m512i a = sum_lanes(t[0], t[1], t[2], t[3]);
    if constexpr (Dwords == 4) {
      return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                                      a);
    } else {
      const __m512i ab = sum_lane_pairs(a, sum_lanes(t[4], t[5], t[6], t[7]));
      if constexpr (Dwords == 8) {
        return _mm512_permutexvar_epi32(
            _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15), ab);
      } else {
        return sum_lane_pairs(
            ab, sum_lane_pairs(sum_lanes(t[8], t[9], t[10], t[11]), sum_lanes(t[12], t[13], t[14], t[15])));
      }
    }
  }
}

// Lane u: the scale or bias of unit u, for the first `units` of 16; `group` counts elements from `values`.
inline __m512 load_scales(const void* values, Element type, std::int64_t group, int units,
                          bool two_per_group) {
  const int count = two_per_group ? units / 2 : units;
  const auto mask = static_cast<__mmask16>((1u << count) - 1);
  const __m512 scales = load_floats(values, type, group, mask);
  if (!two_per_group) return scales;
  return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), scales);
}

// The integer sums of a block's units, of which `units` are there.
template <class Kind, int Bits, int Unit, bool Full>
inline __m512i block_sums(const std::uint8_t* w, const typename Kind::Stored* x, int units) {
  constexpr int interleave = interleave_of(Bits, Kind::bytes);
  constexpr UnitLayout layout = unit_layout(interleave, Unit, Kind::bytes);
  if constexpr (!unpacked_first(Bits)) {
    const std::int64_t bytes = units * Unit / 8 * Bits;
    const __m512i mask = Kind::lane_mask(Bits);
    __m512i t[layout.dwords];  // a block fills as many chunks as a unit fills dwords
#pragma clang loop unroll(full)
    for (int c = 0; c < layout.dwords; ++c) {
      _mm_prefetch(reinterpret_cast<const char*>(w + c * 64 + prefetch_bytes), _MM_HINT_T0);
      const __m512i v = Full ? _mm512_loadu_si512(w + c * 64) : load_bytes(w + c * 64, bytes - c * 64);
      t[c] = _mm512_setzero_si512();
#pragma clang loop unroll(full)
      for (int j = 0; j < interleave; ++j) {
        __m512i codes = _mm512_srli_epi16(v, static_cast<unsigned>(j * Bits));
        const bool alone = interleave == 1 || (!Kind::bytes && j + 1 == interleave);
        if (!alone) codes = _mm512_and_si512(codes, mask);
        t[c] = Kind::add_products(t[c], codes, _mm512_loadu_si512(x + (c * interleave + j) * Kind::lanes));
      }
    }
    return sum_units<layout.dwords>(t);
  } else {
    // A unit is one vector or two, or a vector two units.
    constexpr int vectors = units_per_block * Unit / Kind::lanes;
    constexpr int per_sum = Unit > Kind::lanes ? Unit / Kind::lanes : 1;
    constexpr int vector_bytes = Kind::lanes / 8 * Bits;
    __m512i t[vectors / per_sum];
#pragma clang loop unroll(full)
    for (int i = 0; i < vectors; ++i) {
      const int at = i * vector_bytes;
      if (at % 64 < vector_bytes) {
        _mm_prefetch(reinterpret_cast<const char*>(w + at + prefetch_bytes), _MM_HINT_T0);
      }
      const int count = Full ? Kind::lanes : units * Unit - i * Kind::lanes;
      const __m512i sums = i % per_sum == 0 ? _mm512_setzero_si512() : t[i / per_sum];
      t[i / per_sum] = Kind::add_products(sums, Kind::template unpack<Bits>(w + at, count),
                                          _mm512_loadu_si512(x + i * Kind::lanes));
    }
    return sum_units < layout.dwords<16 ? layout.dwords : 16>(t);
  }
}

template <class Kind, int Bits, int Unit>
void gemv_of(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  constexpr int block = units_per_block * Unit;
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
  const std::int64_t groups = w.columns / w.group;
  const bool two_per_group = w.group > Unit;
  const auto* q = static_cast<const typename Kind::Stored*>(x.q) + row * x.stride;
  const float* d = x.scale + static_cast<std::int64_t>(row) * x.units;
  const float* sum = x.sum + static_cast<std::int64_t>(row) * x.units;
  const int valid_units = w.columns / Unit;
  for (int n = begin; n < end; ++n) {
    const std::uint8_t* codes = w.codes + n * row_bytes;
    float total = 0;
    for (int u = 0; u < valid_units; u += units_per_block) {
      const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
      const std::uint8_t* wb = codes + u / units_per_block * (block / 8 * Bits);
      const auto* xb = q + static_cast<std::int64_t>(u) * Unit;
      const __m512i sums = units == units_per_block ? block_sums<Kind, Bits, Unit, true>(wb, xb, units)
                                                    : block_sums<Kind, Bits, Unit, false>(wb, xb, units);
      const std::int64_t group = n * groups + (two_per_group ? u / 2 : u);
      const __m512 scale = _mm512_mul_ps(load_scales(w.scales, w.scale_type, group, units, two_per_group),
                                         _mm512_loadu_ps(d + u));
      const __m512 bias = load_scales(w.biases, w.scale_type, group, units, two_per_group);
      total += sum_by_halves(
          _mm512_fmadd_ps(bias, _mm512_loadu_ps(sum + u), _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale)));
    }
    y[n] = total;
  }
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

// 32 rows of W by one block of K: codes[unit][dword][row] (two or four codes each), scales and biases
// [unit][row].
struct Panel {
  alignas(64) Dword codes[units_per_block * 32 * panel_rows];
  alignas(64) float scales[units_per_block * panel_rows];
  alignas(64) float biases[units_per_block * panel_rows];
};

template <class Kind, int Bits, int Unit>
inline void fill_codes(Dword* out, const std::uint8_t* const* rows, int units) {
  constexpr int interleave = interleave_of(Bits, Kind::bytes);
  constexpr UnitLayout layout = unit_layout(interleave, Unit, Kind::bytes);
  __m512i r[16];
  if constexpr (!unpacked_first(Bits)) {
    constexpr int units_per_chunk = layout.units_per_chunk;
    const std::int64_t bytes = static_cast<std::int64_t>(units) * Unit / 8 * Bits;
    const __m512i mask = Kind::lane_mask(Bits);
    for (int c = 0; c * units_per_chunk < units; ++c) {
      for (int i = 0; i < 16; ++i) r[i] = load_bytes(rows[i] + c * 64, bytes - c * 64);
      transpose(r);
      for (int d = 0; d < 16; ++d) {
        const int unit = c * units_per_chunk + d / layout.dwords;
        Dword* to = out + (unit * (Unit / Kind::per_dword) + d % layout.dwords) * panel_rows;
        for (int j = 0; j < interleave; ++j) {
          _mm512_store_si512(
              to + j * layout.dwords * panel_rows,
              _mm512_and_si512(_mm512_srli_epi32(r[d], static_cast<unsigned>(j * Bits)), mask));
        }
      }
    }
  } else {
    for (int first = 0; first < units * Unit; first += Kind::lanes, out += 16 * panel_rows) {
      for (int i = 0; i < 16; ++i) {
        r[i] = Kind::template unpack<Bits>(rows[i] + first / 8 * Bits, units * Unit - first);
      }
      transpose(r);
      for (int d = 0; d < 16; ++d) _mm512_store_si512(out + d * panel_rows, r[d]);
    }
  }
}

template <class Kind, int Bits, int Unit>
void fill_panel(Panel& panel, const QuantizedMatrix& w, int first_row, int first_unit, int units) {
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
  const std::int64_t groups = w.columns / w.group;
  const bool two_per_group = w.group > Unit;
  const int first_group = two_per_group ? first_unit / 2 : first_unit;
  for (int half = 0; half < panel_rows; half += 16) {
    const std::uint8_t* rows[16];
    __m512i scales[16], biases[16];
    for (int i = 0; i < 16; ++i) {
      const int n = first_row + half + i < w.rows ? first_row + half + i : w.rows - 1;
      rows[i] = w.codes + n * row_bytes + static_cast<std::int64_t>(first_unit) * Unit / 8 * Bits;
      const std::int64_t group = n * groups + first_group;
      scales[i] = _mm512_castps_si512(load_scales(w.scales, w.scale_type, group, units, two_per_group));
      biases[i] = _mm512_castps_si512(load_scales(w.biases, w.scale_type, group, units, two_per_group));
    }
    transpose(scales);
    transpose(biases);
    for (int u = 0; u < units_per_block; ++u) {
      _mm512_store_si512(panel.scales + u * panel_rows + half, scales[u]);
      _mm512_store_si512(panel.biases + u * panel_rows + half, biases[u]);
    }
    fill_codes<Kind, Bits, Unit>(panel.codes + half, rows, units);
  }
}

// Tiles of nearly equal size: one row alone would leave most accumulators idle.
inline int rows_of_next_tile(int rows) {
  const int tiles = (rows + largest_tile - 1) / largest_tile;
  return (rows + tiles - 1) / tiles;
}

struct Tile {
  const Dword* x;       // row 0's dwords of this block
  std::int64_t stride;  // dwords from row to row
  const float* d;       // row 0's scales of this block
  const float* sum;
  int units_stride;
  float* y;
  std::int64_t y_stride;
  __mmask16 columns[2];
};

// y += the block's sums for Rows rows of x and the panel's 32 columns. The units come in counter_order and
// are added like a binary counter: `pending[l]` is the sum of 2^l of them that waits for its neighbour.
template <class Kind, int Rows>
void multiply_tile(const Panel& panel, const UnitLayout& layout, int units, const Tile& tile) {
  alignas(64) float pending[4][2 * Rows][16];
  const int unit_dwords = layout.runs * layout.dwords;
  __m512 v[2 * Rows];
  for (int i = 0; i < units_per_block; ++i) {
    const int unit = counter_order[i];
    __m512i sums[2 * Rows];
    for (__m512i& sum : sums) sum = _mm512_setzero_si512();
    if (unit < units) {
      const Dword* codes = panel.codes + unit * unit_dwords * panel_rows;
      const Dword* run = tile.x + layout.first(unit);
      for (int j = 0; j < layout.runs; ++j, run += layout.run_stride) {
        for (int p = 0; p < layout.dwords; ++p, codes += panel_rows) {
          const __m512i w0 = _mm512_load_si512(codes), w1 = _mm512_load_si512(codes + 16);
#pragma clang loop unroll(full)
          for (int m = 0; m < Rows; ++m) {
            const __m512i x = _mm512_set1_epi32(run[m * tile.stride + p]);
            sums[2 * m] = Kind::add_products(sums[2 * m], w0, x);
            sums[2 * m + 1] = Kind::add_products(sums[2 * m + 1], w1, x);
          }
        }
      }
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < Rows; ++m) {
      const __m512 d = _mm512_set1_ps(tile.d[m * tile.units_stride + unit]);
      const __m512 sum = _mm512_set1_ps(tile.sum[m * tile.units_stride + unit]);
#pragma clang loop unroll(full)
      for (int h = 0; h < 2; ++h) {
        const __m512 scale = _mm512_mul_ps(_mm512_load_ps(panel.scales + unit * panel_rows + 16 * h), d);
        v[2 * m + h] = _mm512_fmadd_ps(_mm512_load_ps(panel.biases + unit * panel_rows + 16 * h), sum,
                                       _mm512_mul_ps(_mm512_cvtepi32_ps(sums[2 * m + h]), scale));
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
    float* y = tile.y + c / 2 * tile.y_stride + c % 2 * 16;
    const __mmask16 columns = tile.columns[c % 2];
    _mm512_mask_storeu_ps(y, columns, _mm512_add_ps(_mm512_maskz_loadu_ps(columns, y), v[c]));
  }
}

template <class Kind, int Bits, int Unit>
void gemm_of(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
             int end) {
  constexpr UnitLayout layout = unit_layout(interleave_of(Bits, Kind::bytes), Unit, Kind::bytes);
  Panel panel;
  const int valid_units = w.columns / Unit;
  for (int n = begin; n < end; n += panel_rows) {
    const int columns = end - n < panel_rows ? end - n : panel_rows;
    const unsigned mask = columns == panel_rows ? ~0u : (1u << columns) - 1;
    for (int m = 0; m < x.rows; ++m) {
      for (int c = 0; c < columns; ++c) y[m * y_stride + n + c] = 0;
    }
    for (int u = 0; u < valid_units; u += units_per_block) {
      const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
      fill_panel<Kind, Bits, Unit>(panel, w, n, u, units);
      for (int m = 0, tile_rows; m < x.rows; m += tile_rows) {
        tile_rows = rows_of_next_tile(x.rows - m);
        const std::int64_t scales = static_cast<std::int64_t>(m) * x.units + u;
        const Tile tile = {reinterpret_cast<const Dword*>(static_cast<const typename Kind::Stored*>(x.q) +
                                                          m * x.stride + static_cast<std::int64_t>(u) * Unit),
                           x.stride / Kind::per_dword,
                           x.scale + scales,
                           x.sum + scales,
                           x.units,
                           y + m * y_stride + n,
                           y_stride,
                           {static_cast<__mmask16>(mask), static_cast<__mmask16>(mask >> 16)}};
        switch (tile_rows) {
          case 1:
            multiply_tile<Kind, 1>(panel, layout, units, tile);
            break;
          case 2:
            multiply_tile<Kind, 2>(panel, layout, units, tile);
            break;
          case 3:
            multiply_tile<Kind, 3>(panel, layout, units, tile);
            break;
          case 4:
            multiply_tile<Kind, 4>(panel, layout, units, tile);
            break;
          case 5:
            multiply_tile<Kind, 5>(panel, layout, units, tile);
            break;
          case 6:
            multiply_tile<Kind, 6>(panel, layout, units, tile);
            break;
          case 7:
            multiply_tile<Kind, 7>(panel, layout, units, tile);
            break;
          default:
            multiply_tile<Kind, largest_tile>(panel, layout, units, tile);
            break;
        }
      }
    }
  }
}

// x null: a unit behind K.
inline void quantize_unit(const float* x, int unit, int levels, std::int16_t* q, float& scale, float& sum) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i largest_bits = _mm512_setzero_si512();
  for (int i = 0; x != nullptr && i < unit; i += 16) {
    largest_bits = _mm512_max_epu32(largest_bits,
                                    _mm512_and_si512(_mm512_castps_si512(_mm512_loadu_ps(x + i)), magnitude));
  }
  const unsigned bits = _mm512_reduce_max_epu32(largest_bits);
  const float largest = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
  const bool finite = bits < 0x7f800000;
  if (!finite || largest < smallest_magnitude) {
    scale = sum = finite ? 0.0f : __builtin_nanf("");
    for (int i = 0; i < unit; i += 32) _mm512_storeu_si512(q + i, _mm512_setzero_si512());
    return;
  }
  scale = largest / static_cast<float>(levels);
  const __m512 reciprocal = _mm512_set1_ps(static_cast<float>(levels) / largest);
  __m512i total = _mm512_setzero_si512();
  for (int i = 0; i < unit; i += 16) {
    const __m512i values = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), reciprocal));
    total = _mm512_add_epi32(total, values);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), _mm512_cvtepi32_epi16(values));
  }
  sum = scale * static_cast<float>(_mm512_reduce_add_epi32(total));
}

template <class Kind>
void quantize_row(const float* x, const Activations& to, int row) {
  const int unit = to.format.unit;
  auto* q = static_cast<typename Kind::Stored*>(to.q) + row * to.stride;
  float* scales = to.scale + static_cast<std::int64_t>(row) * to.units;
  float* sums = to.sum + static_cast<std::int64_t>(row) * to.units;
  const int units_per_span = span / unit;
  for (int u = 0; u < to.units; u += units_per_span) {
    alignas(64) std::int16_t natural[span];
    for (int i = 0; i < units_per_span; ++i) {
      const std::int64_t first = static_cast<std::int64_t>(u + i) * unit;
      quantize_unit(first < to.columns ? x + first : nullptr, unit, to.format.levels, natural + i * unit,
                    scales[u + i], sums[u + i]);
    }
    deal_span(to.format.interleave, natural, q + static_cast<std::int64_t>(u) * unit);
  }
}

template <int Bits, int Unit>
void gemv_any(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  if (x.format.bytes) return gemv_of<Bytes, Bits, Unit>(w, x, row, y, begin, end);
  gemv_of<Words, Bits, Unit>(w, x, row, y, begin, end);
}

template <int Bits, int Unit>
void gemm_any(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  if (x.format.bytes) return gemm_of<Bytes, Bits, Unit>(w, x, y, y_stride, begin, end);
  gemm_of<Words, Bits, Unit>(w, x, y, y_stride, begin, end);
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  if (to.format.bytes) return quantize_row<Bytes>(x, to, row);
  quantize_row<Words>(x, to, row);
}

void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  POME_QMM_DISPATCH(gemv_any, w, x, row, y, begin, end)
}

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
          int end) {
  POME_QMM_DISPATCH(gemm_any, w, x, y, y_stride, begin, end)
}

}  // namespace pome::kernels::qmm::avx512vnni
