// AVX-512 with VNNI: 64 products of 8 bits per instruction. 16-bit activations are multiplied as a high and a
// low byte, which costs what products of 16 bits would, but leaves codes in bytes: half as much to unpack,
// and to keep in panels.
//
// gemm_avx512vnni.cpp has the products of several rows.
#include "kernels/qmm/avx512vnni.h"

#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

// Rows of W that gemv walks at once. Where two planes of activations weigh more than the codes they meet,
// four rows share a load of them; else a single stream of memory is worth more, unless rows are so short that
// four of them are one.
constexpr int rows_at_once(int planes, int bits) { return planes == 2 && bits < 8 ? 4 : 1; }
constexpr std::int64_t short_row = 512;

// The rows' bytes are prefetched in the order of memory, which the processor's own prefetchers follow,
// although the rows are read side by side. Near into the first level, far into the second; so many bytes of
// scales and biases go with as many codes.
constexpr std::int64_t near_bytes = 2048, far_bytes = 8192;
constexpr std::int64_t scales_ahead = 1024;

// Adds up units: dword u of `total` is the sum of unit u's `Dwords` partial sums, which come one unit behind
// the other, 16 dwords at a time.
template <int Dwords>
struct UnitSums {
  static constexpr int levels = Dwords == 2 ? 1 : Dwords == 4 ? 2 : Dwords == 8 ? 3 : 4;
  __m512i pending[levels + 1];

  template <int Level>
  static __m512i merge(__m512i a, __m512i b) {
    if constexpr (Dwords == 2) {
      const __m512 fa = _mm512_castsi512_ps(a), fb = _mm512_castsi512_ps(b);
      return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(fa, fb, 0x88)),
                              _mm512_castps_si512(_mm512_shuffle_ps(fa, fb, 0xdd)));
    } else if constexpr (Level == 0) {
      return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    } else if constexpr (Level == 1) {
      return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    } else {
      return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    }
  }

  // The c-th vector of partial sums.
  [[gnu::always_inline]] void take(int c, __m512i sums) {
    if (!(c & 1)) return void(pending[0] = sums);
    sums = merge<0>(pending[0], sums);
    if (levels == 1 || !(c & 2)) return void(pending[1] = sums);
    sums = merge<1>(pending[1], sums);
    if (levels == 2 || !(c & 4)) return void(pending[2] = sums);
    sums = merge<2>(pending[2], sums);
    if (levels == 3 || !(c & 8)) return void(pending[3] = sums);
    pending[4] = merge<3>(pending[3], sums);
  }

  __m512i total() const {
    const __m512i sums = pending[levels];
    if constexpr (Dwords == 2) {
      return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15),
                                      sums);
    } else if constexpr (Dwords == 4) {
      return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                                      sums);
    } else if constexpr (Dwords == 8) {
      return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15),
                                      sums);
    } else {
      return sums;
    }
  }
};

template <int Planes, int Bits, int Unit, int Rows>
struct Gemv {
  static constexpr int interleave = interleave_of(Bits, true);
  static constexpr int block_bytes = units_per_block * Unit;  // of one plane
  static constexpr int code_bytes = block_bytes / 8 * Bits;   // of one row of W
  static constexpr int chunk_bytes = 8 * Bits * interleave;
  static constexpr int chunks = code_bytes / chunk_bytes;
  static constexpr int unit_dwords = unit_layout(interleave, Unit, true).dwords;
  static constexpr int sum_dwords = unit_dwords < 16 ? unit_dwords : 16;

  const QuantizedMatrix& w;
  const std::int8_t* x;
  const float* d;
  const float* sum;
  std::int64_t row_bytes;
  std::int64_t groups;

  // What a row's last block may consist of: some of it may be missing, and need not be worked through.
  static constexpr int chunk_step = chunks < 4 ? 1 : chunks / 4;

  // v += one block of Rows rows. `Full`: all of its 16 units are there; else those in the first `Chunks`
  // chunks, less than chunk_step of which are missing.
  template <bool Full, int Chunks>
  [[gnu::always_inline]] void add_block(int n, int first_unit, int units, const std::uint8_t*& ahead,
                                        __m512 (&v)[Rows]) const {
    const std::uint8_t* codes_of_block = w.codes + n * row_bytes + first_unit / units_per_block * code_bytes;
    const std::int8_t* xb = x + static_cast<std::int64_t>(first_unit) * Unit * Planes;
    UnitSums<sum_dwords> sums[Rows];
#pragma clang loop unroll(full)
    for (int c = 0; c < chunks; ++c) {
      if (c >= Chunks) {
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r) sums[r].take(c, _mm512_setzero_si512());
        continue;
      }
      const int lines = ((c + 1) * Rows * chunk_bytes >> 6) - (c * Rows * chunk_bytes >> 6);
#pragma clang loop unroll(full)
      for (int i = 0; i < lines; ++i, ahead += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(ahead + far_bytes), _MM_HINT_T1);
      }
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r) {
        __m512i codes[interleave];
        const std::uint8_t* at = codes_of_block + r * row_bytes + c * chunk_bytes;
        if (Full || c < Chunks - chunk_step) {
          load_codes<Bits, true>(codes, at, chunk_bytes);
        } else {
          load_codes<Bits, false>(codes, at, std::int64_t{units} * Unit / 8 * Bits - c * chunk_bytes);
        }
        __m512i t = _mm512_setzero_si512();
#pragma clang loop unroll(full)
        for (int p = 0; p < Planes; ++p) {
          if (p == 1) t = _mm512_slli_epi32(t, 8);
#pragma clang loop unroll(full)
          for (int j = 0; j < interleave; ++j) {
            t = add_products(t, codes[j],
                             _mm512_loadu_si512(xb + p * block_bytes + (c * interleave + j) * 64));
          }
        }
        sums[r].take(c, t);
      }
    }
    const bool two_per_group = w.group > Unit;
    const std::int64_t group = n * groups + (two_per_group ? first_unit / 2 : first_unit);
    const __m512 dv = _mm512_loadu_ps(d + first_unit), sv = _mm512_loadu_ps(sum + first_unit);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      const std::int64_t g = group + r * groups;
      const __m512 scale = load_scales<Full>(w.scales, w.scale_type, g, units, two_per_group);
      const __m512 bias = load_scales<Full>(w.biases, w.scale_type, g, units, two_per_group);
      v[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r].total()), _mm512_mul_ps(scale, dv), v[r]);
      v[r] = _mm512_fmadd_ps(bias, sv, v[r]);
    }
  }

  // Scales and biases are streams of their own. Short rows are not worth the instructions.
  [[gnu::always_inline]] void prefetch_scales(int n) const {
    const std::int64_t row_scales = groups * (w.scale_type == Element::f32 ? 4 : 2);
    if (row_scales < 32) return;
    const std::int64_t begin = n * row_scales + scales_ahead;
    for (std::int64_t i = begin; i < begin + Rows * row_scales; i += 64) {
      _mm_prefetch(static_cast<const char*>(w.scales) + i, _MM_HINT_T1);
      _mm_prefetch(static_cast<const char*>(w.biases) + i, _MM_HINT_T1);
    }
  }

  // The fewest chunks that hold all units.
  template <int Chunks>
  [[gnu::always_inline]] void add_rest(int n, int first_unit, int units, const std::uint8_t*& ahead,
                                       __m512 (&v)[Rows]) const {
    if (Chunks < chunks && units * chunks > Chunks * units_per_block) {
      return add_rest < Chunks<chunks ? Chunks + chunk_step : Chunks>(n, first_unit, units, ahead, v);
    }
    add_block<false, Chunks>(n, first_unit, units, ahead, v);
  }

  // Rows n … n + Rows - 1.
  [[gnu::always_inline]] void rows(int n, const std::uint8_t*& ahead, float* y) const {
    prefetch_scales(n);
    __m512 v[Rows];
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) v[r] = _mm512_setzero_ps();
    const int valid_units = w.columns / Unit;
    int u = 0;
    for (; u + units_per_block <= valid_units; u += units_per_block) {
      add_block<true, chunks>(n, u, units_per_block, ahead, v);
    }
    if (u < valid_units) add_rest<chunk_step>(n, u, valid_units - u, ahead, v);
    if constexpr (Rows == 4) {
      _mm_storeu_ps(y + n, sum_four_by_halves(v[0], v[1], v[2], v[3]));
    } else {
      for (int r = 0; r < Rows; ++r) y[n + r] = sum_by_halves(v[r]);
    }
  }

  void run(float* y, int begin, int end) const {
    const std::int64_t at_once = Rows * row_bytes;
    const std::uint8_t* ahead = w.codes + begin * row_bytes + (at_once > near_bytes ? at_once : near_bytes);
    int n = begin;
    for (; n + Rows <= end; n += Rows) rows(n, ahead, y);
    if constexpr (Rows > 1) {
      const Gemv<Planes, Bits, Unit, 1> rest = {w, x, d, sum, row_bytes, groups};
      for (; n < end; ++n) rest.rows(n, ahead, y);
    }
  }
};

template <int Planes, int Bits, int Unit, int Rows>
void gemv_of(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  const Gemv<Planes, Bits, Unit, Rows> gemv = {w,
                                               static_cast<const std::int8_t*>(x.q) + row * x.stride * Planes,
                                               x.scale + static_cast<std::int64_t>(row) * x.units,
                                               x.sum + static_cast<std::int64_t>(row) * x.units,
                                               static_cast<std::int64_t>(w.columns) / 8 * Bits,
                                               w.columns / w.group};
  gemv.run(y, begin, end);
}

template <int Bits, int Unit>
void gemv_any(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  if (x.format.storage != Storage::bytes) {
    return gemv_of<2, Bits, Unit, rows_at_once(2, Bits)>(w, x, row, y, begin, end);
  }
  if (w.columns / 8 * Bits < short_row) return gemv_of<1, Bits, Unit, 4>(w, x, row, y, begin, end);
  gemv_of<1, Bits, Unit, 1>(w, x, row, y, begin, end);
}

// Stores byte 0 of each of 32 words, dealt out: code i of the chunk's lane l goes to [i][l].
template <int Interleave>
inline void deal(__m512i words, std::int8_t* to) {
  if constexpr (Interleave == 1) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi16_epi8(words));
  } else if constexpr (Interleave == 2) {
    for (int j = 0; j < 2; ++j) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + j * 64),
                       _mm512_cvtepi32_epi8(_mm512_srli_epi32(words, static_cast<unsigned>(16 * j))));
    }
  } else {
    for (int j = 0; j < 4; ++j) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(to + j * 64),
                       _mm512_cvtepi64_epi8(_mm512_srli_epi64(words, static_cast<unsigned>(16 * j))));
    }
  }
}

template <int Planes, int Interleave>
void quantize_row(const float* x, const Activations& to, int row) {
  const int unit = to.format.unit;
  const int block = units_per_block * unit;
  auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * Planes;
  float* scales = to.scale + static_cast<std::int64_t>(row) * to.units;
  float* sums = to.sum + static_cast<std::int64_t>(row) * to.units;
  for (int u = 0; u < to.units; ++u) {
    const float* values = x + static_cast<std::int64_t>(u) * unit;
    const Divisor by =
        u * unit < to.columns ? divisor_of(values, unit, to.format.levels) : Divisor{0, 0, true};
    __m512i total = _mm512_setzero_si512();
    for (int i = 0; i < unit; i += 32) {
      const __m512i words = divide(values + i, by, total);
      const int k = u * unit + i;
      const int chunk = k % (64 * Interleave);
      std::int8_t* at =
          q + static_cast<std::int64_t>(k / block) * block * Planes + k % block - chunk + chunk / Interleave;
      if constexpr (Planes == 2) {
        deal<Interleave>(_mm512_srli_epi16(_mm512_add_epi16(words, _mm512_set1_epi16(128)), 8), at);
        at += block;
      }
      deal<Interleave>(words, at);
    }
    scales[u] = by.scale;
    sums[u] = by.zero ? by.scale : by.scale * static_cast<float>(_mm512_reduce_add_epi32(total));
  }
}

template <int Planes>
void quantize_planes(const float* x, const Activations& to, int row) {
  switch (to.format.interleave) {
    case 1:
      return quantize_row<Planes, 1>(x, to, row);
    case 2:
      return quantize_row<Planes, 2>(x, to, row);
    default:
      return quantize_row<Planes, 4>(x, to, row);
  }
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  if (unit_by_unit(to.format.storage)) return quantize_units(x, to, row);
  if (to.format.storage == Storage::bytes) return quantize_planes<1>(x, to, row);
  quantize_planes<2>(x, to, row);
}

void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  POME_QMM_DISPATCH(gemv_any, w, x, row, y, begin, end)
}

}  // namespace pome::kernels::qmm::avx512vnni
