// The 256-bit kernels, for a file that includes this once in its level's namespace: 16 products of 16 bits
// per instruction.
//
// The shape is avx512vnni.cpp's at half the width: gemv walks one row of W at a time, gemm unpacks a panel of
// 16 rows by one block of K and runs tiles of 4 rows of x over it (8 of the 16 registers accumulate).
namespace {

constexpr int prefetch_bytes = 4096;

using Dword = std::int32_t __attribute__((may_alias));

// The four sums of a's, b's, c's and d's dwords, for the lower 128 bits and for the upper.
inline __m256i sum_lanes(__m256i a, __m256i b, __m256i c, __m256i d) {
  return _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
}

// Dword u: the sum of unit u of eight. Their partial sums stand one behind the other in t, `Dwords` each (a
// unit of 16 has two vectors, which come added up).
template <int Dwords>
inline __m256i sum_units(const __m256i* t) {
  if constexpr (Dwords == 2) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(t[0], t[1]), 0b11'01'10'00);
  } else {
    const __m256i a = sum_lanes(t[0], t[1], t[2], t[3]);
    if constexpr (Dwords == 4) {
      return _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    } else {
      const __m256i b = sum_lanes(t[4], t[5], t[6], t[7]);
      return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
    }
  }
}

// out[u]: the scale or bias of unit u of a block, zero from `units` on.
inline void load_scales(float* out, const void* values, Element type, std::int64_t group, int units,
                        bool two_per_group) {
  if (units == units_per_block && !two_per_group) {
    for (int u = 0; u < units_per_block; u += 8)
      _mm256_store_ps(out + u, load_floats(values, type, group + u));
    return;
  }
  for (int u = 0; u < units_per_block; ++u) {
    out[u] = u < units ? element(values, type, group + (two_per_group ? u / 2 : u)) : 0.0f;
  }
}

// The integer sums of a block's 16 units; x is in the order of layout.h.
template <int Bits, int Unit>
inline void block_sums(__m256i* sums, const std::uint8_t* w, const std::int16_t* x) {
  constexpr int interleave = interleave_of(Bits, false);
  constexpr UnitLayout layout = unit_layout(interleave, Unit, false);
  if constexpr (interleave > 1) {
    const __m256i mask = _mm256_set1_epi16((1 << Bits) - 1);
    for (int half = 0; half < 2; ++half) {
      constexpr int chunks = layout.dwords / 2;  // of 64 bytes; a block fills as many as a unit fills dwords
      __m256i t[2 * chunks];
#pragma clang loop unroll(full)
      for (int c = 0; c < chunks; ++c) {
        const int chunk = half * chunks + c;
        _mm_prefetch(reinterpret_cast<const char*>(w + chunk * 64 + prefetch_bytes), _MM_HINT_T0);
#pragma clang loop unroll(full)
        for (int part = 0; part < 2; ++part) {
          const __m256i v = load(w + chunk * 64 + part * 32);
          const std::int16_t* xc = x + chunk * 32 * interleave + part * 16;
          __m256i sum = _mm256_setzero_si256();
#pragma clang loop unroll(full)
          for (int j = 0; j < interleave; ++j) {
            __m256i codes = _mm256_srli_epi16(v, j * Bits);
            if (j + 1 < interleave) codes = _mm256_and_si256(codes, mask);
            sum = add_word_products(sum, codes, load(xc + j * 32));
          }
          t[2 * c + part] = sum;
        }
        if constexpr (layout.dwords == 16) t[c] = _mm256_add_epi32(t[2 * c], t[2 * c + 1]);
      }
      sums[half] = sum_units<layout.dwords>(t);
    }
  } else {
    constexpr int vectors = Unit / 16;
    for (int half = 0; half < 2; ++half) {
      __m256i t[8];
#pragma clang loop unroll(full)
      for (int i = 0; i < 8; ++i) {
        const int unit = half * 8 + i;
        t[i] = _mm256_setzero_si256();
#pragma clang loop unroll(full)
        for (int h = 0; h < vectors; ++h) {
          const int at = (unit * vectors + h) * 2 * Bits;
          if (at % 64 < 2 * Bits)
            _mm_prefetch(reinterpret_cast<const char*>(w + at + prefetch_bytes), _MM_HINT_T0);
          t[i] = add_word_products(t[i], natural_codes<Bits>(w + at), load(x + unit * Unit + h * 16));
        }
      }
      sums[half] = sum_units<16>(t);
    }
  }
}

// A block that may not be read in place, because it is short or because natural_codes would reach past the
// matrix: a copy with zeros behind it.
template <int Bits, int Unit>
struct Padded {
  static constexpr int block_bytes = units_per_block * Unit / 8 * Bits;
  std::uint8_t bytes[block_bytes + 16];

  const std::uint8_t* take(const std::uint8_t* codes, int units) {
    const auto count = static_cast<unsigned>(units * Unit / 8 * Bits);
    __builtin_memcpy(bytes, codes, count);
    __builtin_memset(bytes + count, 0, sizeof bytes - count);
    return bytes;
  }
};

// True where reading `bytes` bytes at `codes` with natural_codes would touch what lies behind the matrix.
template <int Bits>
inline bool reaches_past(const QuantizedMatrix& w, const std::uint8_t* codes, std::int64_t bytes) {
  return interleave_of(Bits, false) == 1 &&
         codes + bytes + 16 > w.codes + static_cast<std::int64_t>(w.rows) * (w.columns / 8 * Bits);
}

template <int Bits, int Unit>
void gemv_of(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  constexpr int block = units_per_block * Unit;
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
  const std::int64_t groups = w.columns / w.group;
  const bool two_per_group = w.group > Unit;
  const std::int16_t* q = static_cast<const std::int16_t*>(x.q) + row * x.stride;
  const float* d = x.scale + static_cast<std::int64_t>(row) * x.units;
  const float* sum = x.sum + static_cast<std::int64_t>(row) * x.units;
  const int valid_units = w.columns / Unit;
  Padded<Bits, Unit> padded;
  alignas(32) float scales[units_per_block], biases[units_per_block];
  for (int n = begin; n < end; ++n) {
    __m256 v[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int u = 0; u < valid_units; u += units_per_block) {
      const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
      const std::uint8_t* wb = w.codes + n * row_bytes + u / units_per_block * (block / 8 * Bits);
      if (units < units_per_block || reaches_past<Bits>(w, wb, padded.block_bytes))
        wb = padded.take(wb, units);
      __m256i sums[2];
      block_sums<Bits, Unit>(sums, wb, q + static_cast<std::int64_t>(u) * Unit);
      const std::int64_t group = n * groups + (two_per_group ? u / 2 : u);
      load_scales(scales, w.scales, w.scale_type, group, units, two_per_group);
      load_scales(biases, w.biases, w.scale_type, group, units, two_per_group);
      for (int h = 0; h < 2; ++h) {
        const __m256 scale = _mm256_mul_ps(_mm256_load_ps(scales + 8 * h), _mm256_loadu_ps(d + u + 8 * h));
        v[h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[h]), scale, v[h]);
        v[h] = _mm256_fmadd_ps(_mm256_load_ps(biases + 8 * h), _mm256_loadu_ps(sum + u + 8 * h), v[h]);
      }
    }
    y[n] = sum_by_halves(v[0], v[1]);
  }
}

// r[i] lane j ↔ r[j] lane i.
inline void transpose(__m256i* r) {
  __m256i t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int h = 0; h < 2; ++h) {
      u[i + 2 * h] = _mm256_unpacklo_epi64(t[i + h], t[i + h + 2]);
      u[i + 2 * h + 1] = _mm256_unpackhi_epi64(t[i + h], t[i + h + 2]);
    }
  }
  for (int c = 0; c < 4; ++c) {
    r[c] = _mm256_permute2x128_si256(u[c], u[4 + c], 0x20);
    r[4 + c] = _mm256_permute2x128_si256(u[c], u[4 + c], 0x31);
  }
}

inline void store(Dword* to, __m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), v); }

template <int Bits, int Unit>
struct Gemm {
  static constexpr int panel_rows = 16;
  static constexpr int largest_tile = 4;
  static constexpr bool bytes = false;
  static constexpr int interleave = interleave_of(Bits, false);
  static constexpr UnitLayout layout = unit_layout(interleave, Unit, false);

  // 8 rows, `units` units of a block.
  static void fill_pairs(Dword* out, const std::uint8_t* const* rows, int units) {
    __m256i r[8];
    if constexpr (interleave > 1) {
      const __m256i mask = _mm256_set1_epi32(((1 << Bits) - 1) * 0x00010001);
      const int dwords = units * layout.dwords;
      for (int first = 0; first < dwords; first += 8) {
        const int count = dwords - first < 8 ? dwords - first : 8;
        alignas(32) Dword tail[8] = {};
        for (int i = 0; i < 8; ++i) {
          if (count == 8) {
            r[i] = load(rows[i] + first * 4);
          } else {
            __builtin_memcpy(tail, rows[i] + first * 4, static_cast<unsigned>(count) * 4);
            r[i] = load(tail);
          }
        }
        transpose(r);
        for (int i = 0; i < count; ++i) {
          const int unit = (first + i) / layout.dwords;
          Dword* to = out + (unit * (Unit / 2) + (first + i) % layout.dwords) * panel_rows;
          for (int j = 0; j < interleave; ++j) {
            store(to + j * layout.dwords * panel_rows,
                  _mm256_and_si256(_mm256_srli_epi32(r[i], j * Bits), mask));
          }
        }
      }
    } else {
      for (int h = 0; h < units * Unit / 16; ++h) {
        for (int i = 0; i < 8; ++i) r[i] = natural_codes<Bits>(rows[i] + h * 2 * Bits);
        transpose(r);
        for (int i = 0; i < 8; ++i) store(out + (h * 8 + i) * panel_rows, r[i]);
      }
    }
  }

  static void fill(const Panel& panel, const QuantizedMatrix& w, const Activations& x, int first_row) {
    const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
    const std::int64_t groups = w.columns / w.group;
    const bool two_per_group = w.group > Unit;
    const int valid_units = w.columns / Unit;
    Padded<Bits, Unit> padded[8];
    for (int u = 0; u < x.units; u += units_per_block) {
      const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
      for (int half = 0; half < panel_rows; half += 8) {
        const std::uint8_t* rows[8];
        for (int i = 0; i < 8; ++i) {
          const int n = first_row + half + i < w.rows ? first_row + half + i : w.rows - 1;
          rows[i] = w.codes + n * row_bytes + static_cast<std::int64_t>(u) * Unit / 8 * Bits;
          if (reaches_past<Bits>(w, rows[i], units * Unit / 8 * Bits)) {
            rows[i] = padded[i].take(rows[i], units);
          }
          alignas(32) float scales[units_per_block], biases[units_per_block];
          const std::int64_t group = n * groups + (two_per_group ? u / 2 : u);
          load_scales(scales, w.scales, w.scale_type, group, units, two_per_group);
          load_scales(biases, w.biases, w.scale_type, group, units, two_per_group);
          for (int l = 0; l < units_per_block; ++l) {
            panel.scales[(u + l) * panel_rows + half + i] = scales[l];
            panel.biases[(u + l) * panel_rows + half + i] = biases[l];
          }
        }
        fill_pairs(static_cast<Dword*>(panel.codes) + u * (Unit / 2) * panel_rows + half, rows, units);
      }
    }
  }

  // y of Rows rows and the panel's columns. Lane by lane, in counter_order, the lane's units are added up;
  // lanes are added like a binary counter: `pending[l]` is the sum of 2^l of them that waits for its
  // neighbour.
  template <int Rows>
  static void multiply_tile(const Panel& panel, const Tile& tile) {
    alignas(32) float pending[4][2 * Rows][8];
    const Activations& x = tile.x;
    const std::int64_t stride = x.stride / 2;
    const auto* q = static_cast<const Dword*>(x.q) + tile.first * stride;
    const float* d = x.scale + static_cast<std::int64_t>(tile.first) * x.units;
    const float* sum = x.sum + static_cast<std::int64_t>(tile.first) * x.units;
    const int valid_units = x.columns / Unit;
    __m256 v[2 * Rows];
    for (int i = 0; i < units_per_block; ++i) {
      for (__m256& lane : v) lane = _mm256_setzero_ps();
      for (int u = counter_order[i], b = 0; u < x.units; u += units_per_block, ++b) {
        __m256i sums[2 * Rows];
        for (__m256i& s : sums) s = _mm256_setzero_si256();
        if (u < valid_units) {
          const Dword* pairs = static_cast<const Dword*>(panel.codes) + u * (Unit / 2) * panel_rows;
          const Dword* run = q + b * (units_per_block * Unit / 2) + layout.first(counter_order[i]);
          for (int j = 0; j < layout.runs; ++j, run += layout.run_stride) {
            for (int p = 0; p < layout.dwords; ++p, pairs += panel_rows) {
              const __m256i w0 = load(pairs), w1 = load(pairs + 8);
#pragma clang loop unroll(full)
              for (int m = 0; m < Rows; ++m) {
                const __m256i words = _mm256_set1_epi32(run[m * stride + p]);
                sums[2 * m] = add_word_products(sums[2 * m], w0, words);
                sums[2 * m + 1] = add_word_products(sums[2 * m + 1], w1, words);
              }
            }
          }
        }
#pragma clang loop unroll(full)
        for (int m = 0; m < Rows; ++m) {
          const __m256 dm = _mm256_set1_ps(d[m * x.units + u]), sm = _mm256_set1_ps(sum[m * x.units + u]);
#pragma clang loop unroll(full)
          for (int h = 0; h < 2; ++h) {
            const __m256 scale = _mm256_mul_ps(_mm256_load_ps(panel.scales + u * panel_rows + 8 * h), dm);
            const __m256 bias = _mm256_load_ps(panel.biases + u * panel_rows + 8 * h);
            v[2 * m + h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[2 * m + h]), scale, v[2 * m + h]);
            v[2 * m + h] = _mm256_fmadd_ps(bias, sm, v[2 * m + h]);
          }
        }
      }
      int level = 0;
      for (; i >> level & 1; ++level) {
#pragma clang loop unroll(full)
        for (int c = 0; c < 2 * Rows; ++c) v[c] = _mm256_add_ps(_mm256_load_ps(pending[level][c]), v[c]);
      }
      if (level < 4) {
#pragma clang loop unroll(full)
        for (int c = 0; c < 2 * Rows; ++c) _mm256_store_ps(pending[level][c], v[c]);
      }
    }
    for (int m = 0; m < Rows; ++m) {
      alignas(32) float sums[panel_rows];
      _mm256_store_ps(sums, v[2 * m]);
      _mm256_store_ps(sums + 8, v[2 * m + 1]);
      __builtin_memcpy(tile.y + m * tile.y_stride, sums, static_cast<unsigned>(tile.columns) * 4);
    }
  }

  static void multiply(const Panel& panel, const Tile& tile, int rows) {
    multiply_up_to_four<Gemm>(panel, tile, rows);
  }
};

template <int Bits, int Unit>
void gemm_of(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
             int end, void* scratch) {
  walk_panels<Gemm<Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
}

inline std::uint32_t largest_of(__m256i v) {
  const __m128i v4 = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i v2 = _mm_max_epu32(v4, _mm_shuffle_epi32(v4, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(v2, _mm_shuffle_epi32(v2, 0xb1))));
}

inline int sum_of(__m256i v) {
  const __m128i v4 = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i v2 = _mm_add_epi32(v4, _mm_shuffle_epi32(v4, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(v2, _mm_shuffle_epi32(v2, 0xb1)));
}

// Rows of q are dealt out in spans that hold whole chunks and whole units of every format.
constexpr int span = 256;

template <int Interleave>
inline void deal_span(const std::int16_t* natural, std::int16_t* q) {
  constexpr int chunk = 32 * Interleave;
  for (int first = 0; first < span; first += chunk) {
    for (int j = 0; j < Interleave; ++j) {
      for (int lane = 0; lane < 32; ++lane) {
        q[first + j * 32 + lane] = natural[first + lane * Interleave + j];
      }
    }
  }
}

inline void deal_span(int interleave, const std::int16_t* natural, std::int16_t* q) {
  switch (interleave) {
    case 2:
      return deal_span<2>(natural, q);
    case 4:
      return deal_span<4>(natural, q);
    case 8:
      return deal_span<8>(natural, q);
    default:
      return deal_span<1>(natural, q);
  }
}

// x null: a unit behind K.
inline void quantize_unit(const float* x, int unit, int levels, std::int16_t* q, float& scale, float& sum) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i largest_bits = _mm256_setzero_si256();
  for (int i = 0; x != nullptr && i < unit; i += 8) {
    largest_bits = _mm256_max_epu32(largest_bits, _mm256_and_si256(load(x + i), magnitude));
  }
  const std::uint32_t bits = largest_of(largest_bits);
  const float largest = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
  const bool finite = bits < 0x7f800000;
  if (!finite || largest < smallest_magnitude) {
    scale = sum = finite ? 0.0f : __builtin_nanf("");
    for (int i = 0; i < unit; i += 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), _mm256_setzero_si256());
    }
    return;
  }
  scale = largest / static_cast<float>(levels);
  const __m256 reciprocal = _mm256_set1_ps(static_cast<float>(levels) / largest);
  __m256i total = _mm256_setzero_si256();
  for (int i = 0; i < unit; i += 16) {
    const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), reciprocal));
    const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), reciprocal));
    total = _mm256_add_epi32(total, _mm256_add_epi32(a, b));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0b11'01'10'00);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), packed);
  }
  sum = scale * static_cast<float>(sum_of(total));
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  const int unit = to.format.unit, interleave = to.format.interleave, levels = to.format.levels;
  std::int16_t* q = static_cast<std::int16_t*>(to.q) + row * to.stride;
  float* scales = to.scale + static_cast<std::int64_t>(row) * to.units;
  float* sums = to.sum + static_cast<std::int64_t>(row) * to.units;
  const int units_per_span = span / unit;
  for (int u = 0; u < to.units; u += units_per_span) {
    alignas(32) std::int16_t natural[span];
    for (int i = 0; i < units_per_span; ++i) {
      const std::int64_t first = static_cast<std::int64_t>(u + i) * unit;
      quantize_unit(first < to.columns ? x + first : nullptr, unit, levels, natural + i * unit, scales[u + i],
                    sums[u + i]);
    }
    deal_span(interleave, natural, q + static_cast<std::int64_t>(u) * unit);
  }
}

void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  POME_QMM_DISPATCH(gemv_of, w, x, row, y, begin, end)
}

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch) {
  POME_QMM_DISPATCH(gemm_of, w, x, y, y_stride, begin, end, scratch)
}
