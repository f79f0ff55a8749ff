// Products of several rows by tiles: one instruction adds up the 16 · 16 products of 16 rows of x and 16 rows
// of W over a unit of 64 elements, bytes of x signed and codes unsigned. The panel is that of AVX-512; 16-bit
// activations are two planes of signed bytes, q = 256·high + low, and cost two such products. Sums are whole
// units, so that they fit 32 bits for every width of codes: |Σ q·code| ≤ 64 · 32639 · 255 < 2^29.
//
// The processor has no way from a tile to a vector but through memory. By Intel's figures a product takes 16
// cycles, storing a tile 16, loading two of them 16 on other ports, and scaling 16 rows, four operations on
// two ports each, 32: some 45 cycles where they overlap, and 80 for two planes. Multiplying the same bytes
// with AVX-512 takes 128 and words 256, and as much scaling. This is reckoned, not measured.
#include "kernels/qmm/levels.h"
#include "kernels/qmm/panels_avx512vnni.h"

namespace pome::kernels::qmm::amx {
namespace {

using avx512vnni::Dword;
using avx512vnni::panel_rows;

constexpr int tile_rows = 16;
constexpr int tile_bytes = 64;  // of a row

// The tiles, as instructions name them. Rows of x come in two sizes (rows_of_next_tile), each with tiles of
// its own, so that the processor is configured once per call.
enum : int { high_sums = 0, low_sums = 1, of_x = 2, small = 3, of_w = 6 };

// What ldtilecfg reads.
struct alignas(64) Shapes {
  std::uint8_t palette = 1;
  std::uint8_t restart = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(Shapes) == 64);

// For tiles of `rows` rows of x and of one row less.
void configure(int rows, int unit) {
  Shapes shapes;
  const auto shape = [&](int tile, int of_rows, int bytes) {
    shapes.rows[tile] = static_cast<std::uint8_t>(of_rows);
    shapes.row_bytes[tile] = static_cast<std::uint16_t>(bytes);
  };
  for (int first = 0; first <= small; first += small) {
    const int of_rows = first == small && rows > 1 ? rows - 1 : rows;
    shape(first + high_sums, of_rows, tile_bytes);
    shape(first + low_sums, of_rows, tile_bytes);
    shape(first + of_x, of_rows, unit);
  }
  shape(of_w, unit / 4, tile_bytes);
  asm volatile("ldtilecfg %0" : : "m"(shapes) : "memory");
}

// Tiles left as they are would be saved whenever the thread is interrupted.
void release() { asm volatile("tilerelease" : : : "memory"); }

template <int Tile>
[[gnu::always_inline]] inline void load(const void* from, std::int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(Tile) : "memory");
}

// to[m][n] = Σ x[m]·w[n] of a unit.
template <int First, int Sums>
[[gnu::always_inline]] inline void multiply_plane(const std::uint8_t* x, std::int64_t stride,
                                                  std::int32_t (*to)[16]) {
  load<First + of_x>(x, stride);
  asm volatile("tilezero %%tmm%c0" : : "i"(First + Sums));
  asm volatile("tdpbsud %%tmm%c0, %%tmm%c1, %%tmm%c2"
               :
               : "i"(static_cast<int>(of_w)), "i"(First + of_x), "i"(First + Sums));
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(to), "r"(std::int64_t{tile_bytes}), "i"(First + Sums)
               : "memory");
}

template <int First, bool Planes>
[[gnu::always_inline]] inline void multiply_unit(const std::uint8_t* x, std::int64_t stride, int unit,
                                                 std::int32_t (&sums)[2][tile_rows][16]) {
  multiply_plane<First, high_sums>(x, stride, sums[0]);
  if constexpr (Planes) multiply_plane<First, low_sums>(x + unit, stride, sums[1]);
}

// y of `rows` rows, at most Most and more than Most - 4, and 16 of the panel's columns, from `column` on.
// Units are added up as gemm_avx512vnni.cpp does: lane by lane in counter_order, lanes like a binary counter.
template <bool Planes, int Most>
void multiply_tile(const Panel& panel, const Tile& tile, int rows, int column) {
  LaneSums<Most> lanes;
  alignas(64) std::int32_t sums[2][tile_rows][16] = {};
  const Activations& x = tile.x;
  const int unit = x.format.unit, units = x.units, valid_units = x.columns / unit;
  const bool largest = rows == rows_of_next_tile(x.rows, tile_rows);
  const std::int64_t stride = x.stride * (Planes ? 2 : 1), unit_bytes = unit * (Planes ? 2 : 1);
  const auto* q = static_cast<const std::uint8_t*>(x.q) + tile.first * stride;
  const auto* codes = static_cast<const Dword*>(panel.codes) + column;
  const float* const d = x.scale + std::int64_t{tile.first} * units;
  const float* const sum = x.sum + std::int64_t{tile.first} * units;
  const float *scales = panel.scales + column, *biases = panel.biases + column;
  const int lines = static_cast<int>((tile.ahead.end - tile.ahead.at) / 64 / valid_units) + 1;
  const std::uint8_t* ahead = tile.ahead.at;
  __m512 v[Most];
  for (int i = 0, place = 0; i < units_per_block; ++i) {
#pragma clang loop unroll(full)
    for (__m512& lane : v) lane = _mm512_setzero_ps();
    for (int u = counter_order[i]; u < units; u += units_per_block, ++place) {
      if (u >= valid_units) {
#pragma clang loop unroll(full)
        for (__m512& lane : v) lane = _mm512_add_ps(lane, _mm512_setzero_ps());
        continue;
      }
      for (int l = 0; l < lines && ahead < tile.ahead.end; ++l, ahead += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      }
      load<of_w>(codes + std::int64_t{place} * (unit / 4) * panel_rows, panel_rows * 4);
      if (largest) {
        multiply_unit<0, Planes>(q + place * unit_bytes, stride, unit, sums);
      } else {
        multiply_unit<small, Planes>(q + place * unit_bytes, stride, unit, sums);
      }
      const __m512 scale = _mm512_load_ps(scales + std::int64_t{place} * panel_rows);
      const __m512 bias = _mm512_load_ps(biases + std::int64_t{place} * panel_rows);
      std::int64_t at = place;
#pragma clang loop unroll(full)
      for (int m = 0; m < Most; ++m) {
        __m512i products = _mm512_load_si512(sums[0][m]);
        if constexpr (Planes) {
          products = _mm512_add_epi32(_mm512_slli_epi32(products, 8), _mm512_load_si512(sums[1][m]));
        }
        v[m] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), _mm512_mul_ps(scale, _mm512_set1_ps(d[at])), v[m]);
        v[m] = _mm512_fmadd_ps(bias, _mm512_set1_ps(sum[at]), v[m]);
        // Rows that are not there are computed like the last one, and not stored.
        if (m + 1 < Most - 3 || m + 1 < rows) at += units;
      }
    }
    lanes.take(i, v);
  }
  const __mmask16 there = first_lanes(tile.columns - column);
#pragma clang loop unroll(full)
  for (int m = 0; m < Most; ++m) {
    if (m < rows) _mm512_mask_storeu_ps(tile.y + m * tile.y_stride + column, there, v[m]);
  }
}

template <bool Planes, int Most = 4>
void multiply_rows(const Panel& panel, const Tile& tile, int rows, int column) {
  if constexpr (Most < tile_rows) {
    if (rows > Most) return multiply_rows<Planes, Most + 4>(panel, tile, rows, column);
  }
  multiply_tile<Planes, Most>(panel, tile, rows, column);
}

struct Codes {
  static constexpr bool bytes = true, pairs = false, packed = false;
  static constexpr int step = panel_rows;
};

template <int Bits, int Unit>
struct Gemm : avx512vnni::Panels<Codes, Bits, Unit> {
  static constexpr int largest_tile = tile_rows;

  static void multiply(const Panel& panel, const Tile& tile, int rows) {
    const auto of_columns =
        tile.x.format.storage == Storage::unit_split ? multiply_rows<true> : multiply_rows<false>;
    of_columns(panel, tile, rows, 0);
    if (tile.columns <= 16) return;
    Tile second = tile;
    second.ahead.at = tile.ahead.end;
    of_columns(panel, second, rows, 16);
  }
};

template <int Bits, int Unit>
void gemm_any(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end, void* scratch) {
  configure(rows_of_next_tile(x.rows, tile_rows), Unit);
  walk_panels<Gemm<Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
  release();
}

}  // namespace

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch) {
  POME_QMM_DISPATCH(gemm_any, w, x, y, y_stride, begin, end, scratch)
}

}  // namespace pome::kernels::qmm::amx
