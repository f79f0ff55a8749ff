// Arm NEON with products of matrices of bytes (Armv8.6): USMMLA multiplies two rows of eight codes, unsigned,
// by two of eight bytes of x, signed: 32 products per instruction, twice as many as a dot product.
//
// An activation of 16 bits is two bytes, and they are the two rows: x is stored unit by unit, eight high
// bytes and then the eight low ones of the same elements, so that a load is an operand and nothing is moved.
// The sums of both come out side by side, and 256 times the one is added to the other once per unit. In
// `fast` the two rows are rows of x.
//
// For 4 rows of x by 8 of W and a unit of 64, a tile takes 128 multiplications (with dot products 256), 64
// loads of bytes (96), 32 operations that put sums together (8) and 32 of floats (as many); in `fast` 64
// (128), 48 (48), 24 (none) and 32.
#include "kernels/qmm/impl_neon.h"

namespace pome::kernels::qmm::neoni8mm {
namespace {

// Bytes of a row that one multiplication takes.
constexpr int step_bytes = 8;

template <int Planes, int Bits, int Unit>
struct Gemm : NeonGemm<Gemm<Planes, Bits, Unit>, Planes, Bits, Unit> {
  using S = Shape<Planes, Bits, Unit>;
  static constexpr int panel_rows = NeonGemm<Gemm, Planes, Bits, Unit>::panel_rows, pairs = panel_rows / 2;
  static constexpr int steps = Unit / step_bytes;

  static constexpr int place(int unit, int units) { return place_of(unit, units); }

  // A panel's eight bytes of a row lie beside those of the next row: [unit][step][pair of rows].
  static void fill_codes(std::uint8_t* to, const QuantizedMatrix& w, int units, const std::int64_t (&rows)[4],
                         int first_row) {
    const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
    const std::uint8_t* last = w.codes + w.rows * row_bytes;
    for (int i = 0; i * S::codes_per_vector < w.columns; ++i) {
      uint8x16_t codes[4][S::interleave];
      for (int r = 0; r < 4; ++r) {
        const std::uint8_t* p = w.codes + rows[r] * row_bytes + i * S::code_bytes;
        load_codes<Bits>(codes[r], p, last - p);
      }
      for (int half = 0; half < 2; ++half) {  // of the vector, which holds a step of every run
        const int dword = 4 * i + 2 * half;
        std::uint8_t* of_unit = to + std::int64_t{place(dword / S::layout.dwords, units)} * Unit * panel_rows;
        for (int j = 0; j < S::interleave; ++j) {
          const int step = (j * S::layout.dwords + dword % S::layout.dwords) / 2;
          for (int r = 0; r < 4; r += 2) {
            const uint64x2_t a = vreinterpretq_u64_u8(codes[r][j]);
            const uint64x2_t b = vreinterpretq_u64_u8(codes[r + 1][j]);
            vst1q_u8(of_unit + (step * pairs + (first_row + r) / 2) * vector_bytes,
                     vreinterpretq_u8_u64(half == 0 ? vzip1q_u64(a, b) : vzip2q_u64(a, b)));
          }
        }
      }
    }
  }

  // products[…][p]: [row 2p of W by the operand's first row, by its second, row 2p + 1 by each].
  static void multiply_step(int32x4_t (&products)[pairs], const uint8x16_t (&w)[pairs], int8x16_t x) {
    for (int p = 0; p < pairs; ++p) products[p] = vusmmlaq_s32(products[p], w[p], x);
  }

  static void load_step(uint8x16_t (&w)[pairs], const std::uint8_t* codes, int step) {
    for (int p = 0; p < pairs; ++p) w[p] = vld1q_u8(codes + (step * pairs + p) * vector_bytes);
  }

  template <int Rows>
  static void multiply_unit(const std::uint8_t* codes, const std::int8_t* q, std::int64_t stride, int unit,
                            int units, int32x4_t (&sums)[Rows][2]) {
    const std::int8_t* x = q + std::int64_t{place(unit, units)} * Unit * Planes;
    if constexpr (Planes == 2) {
      int32x4_t products[Rows][pairs] = {};
      for (int step = 0; step < steps; ++step) {
        uint8x16_t w[pairs];
        load_step(w, codes, step);
        for (int m = 0; m < Rows; ++m) {
          multiply_step(products[m], w, vld1q_s8(x + m * stride + step * vector_bytes));
        }
      }
      for (int m = 0; m < Rows; ++m) {
        for (int h = 0; h < 2; ++h) {
          const int32x4_t high = vuzp1q_s32(products[m][2 * h], products[m][2 * h + 1]);
          const int32x4_t low = vuzp2q_s32(products[m][2 * h], products[m][2 * h + 1]);
          sums[m][h] = vmlaq_n_s32(low, high, 256);
        }
      }
    } else {
      int32x4_t products[(Rows + 1) / 2][pairs] = {};
      for (int step = 0; step < steps; step += 2) {
        uint8x16_t w[2][pairs];
        load_step(w[0], codes, step);
        load_step(w[1], codes, step + 1);
        for (int m = 0; m < Rows; m += 2) {
          const std::int8_t* at = x + m * stride + step * step_bytes;
          const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(at));
          const int64x2_t b = m + 1 < Rows ? vreinterpretq_s64_s8(vld1q_s8(at + stride)) : a;
          multiply_step(products[m / 2], w[0], vreinterpretq_s8_s64(vzip1q_s64(a, b)));
          multiply_step(products[m / 2], w[1], vreinterpretq_s8_s64(vzip2q_s64(a, b)));
        }
      }
      for (int m = 0; m < Rows; ++m) {
        for (int h = 0; h < 2; ++h) {
          const int32x4_t a = products[m / 2][2 * h], b = products[m / 2][2 * h + 1];
          sums[m][h] = m % 2 == 0 ? vuzp1q_s32(a, b) : vuzp2q_s32(a, b);
        }
      }
    }
  }
};

template <int Bits, int Unit>
void gemm_any(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end, void* scratch) {
  if (x.format.storage == Storage::unit_bytes) {
    return walk_panels<Gemm<1, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
  }
  walk_panels<Gemm<2, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
}

// The 16 lanes of run j, from 16·Interleave bytes in natural order.
template <int Interleave>
inline void take_runs(const std::int8_t* natural, int8x16_t (&runs)[Interleave]) {
  if constexpr (Interleave == 4) {
    const int8x16x4_t all = vld4q_s8(natural);
    for (int j = 0; j < 4; ++j) runs[j] = all.val[j];
  } else if constexpr (Interleave == 2) {
    const int8x16x2_t all = vld2q_s8(natural);
    for (int j = 0; j < 2; ++j) runs[j] = all.val[j];
  } else {
    runs[0] = vld1q_s8(natural);
  }
}

template <int Planes, int Interleave>
void quantize_units(const float* x, const Activations& to, int row) {
  const int unit = to.format.unit, run = unit / Interleave;
  auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * Planes;
  const std::int64_t first = static_cast<std::int64_t>(row) * to.units;
  for (int u = 0; u < to.units; ++u) {
    const float* values = x + static_cast<std::int64_t>(u) * unit;
    const int place = place_of(u, to.units);
    const Divisor by =
        u * unit < to.columns ? divisor_of(values, unit, to.format.levels) : Divisor{0, 0, true};
    // High bytes and low ones, in natural order.
    std::int8_t natural[2][64] = {};
    int32x4_t totals = vdupq_n_s32(0);
    for (int i = 0; i < unit && !by.zero; i += 8) {
      const int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(values + i), by.reciprocal));
      const int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(values + i + 4), by.reciprocal));
      totals = vaddq_s32(totals, vaddq_s32(a, b));
      const int16x8_t words = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
      vst1_s8(natural[0] + i, vrshrn_n_s16(words, 8));
      vst1_s8(natural[1] + i, vmovn_s16(words));
    }
    std::int8_t* at = q + std::int64_t{place} * unit * Planes;
    for (int lane = 0; lane < run; lane += vector_bytes) {
      int8x16_t high[Interleave], low[Interleave];
      take_runs<Interleave>(natural[0] + lane * Interleave, high);
      take_runs<Interleave>(natural[1] + lane * Interleave, low);
      for (int j = 0; j < Interleave; ++j) {
        for (int half = 0; half < 2 && lane + half * step_bytes < run; ++half) {
          const int8x8_t l = half == 0 ? vget_low_s8(low[j]) : vget_high_s8(low[j]);
          const int8x8_t h = half == 0 ? vget_low_s8(high[j]) : vget_high_s8(high[j]);
          std::int8_t* to_step = at + (j * run + lane + half * step_bytes) * Planes;
          if constexpr (Planes == 2) {
            vst1q_s8(to_step, vcombine_s8(h, l));
          } else {
            vst1_s8(to_step, l);
          }
        }
      }
    }
    to.scale[first + place] = by.scale;
    to.sum[first + place] = by.zero ? by.scale : by.scale * static_cast<float>(vaddvq_s32(totals));
  }
}

template <int Planes>
void quantize_any(const float* x, const Activations& to, int row) {
  switch (to.format.interleave) {
    case 1:
      return quantize_units<Planes, 1>(x, to, row);
    case 2:
      return quantize_units<Planes, 2>(x, to, row);
    default:
      return quantize_units<Planes, 4>(x, to, row);
  }
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  if (to.format.storage == Storage::unit_planes) return quantize_any<2>(x, to, row);
  if (to.format.storage == Storage::unit_bytes) return quantize_any<1>(x, to, row);
  neondot::quantize(x, to, row);
}

void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  POME_QMM_DISPATCH(gemv_any, w, x, row, y, begin, end)
}

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch) {
  POME_QMM_DISPATCH(gemm_any, w, x, y, y_stride, begin, end, scratch)
}

}  // namespace pome::kernels::qmm::neoni8mm
