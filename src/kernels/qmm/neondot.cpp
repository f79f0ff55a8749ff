// Arm NEON with dot products (Armv8.2): 16 products of signed bytes per instruction. Activations are planes
// of bytes as on AVX-512, so both have one arithmetic and one layout; here a chunk is four vectors.
#include "kernels/qmm/impl_neon.h"

namespace pome::kernels::qmm::neondot {
namespace {

template <int Planes, int Bits, int Unit>
struct Gemm : NeonGemm<Gemm<Planes, Bits, Unit>, Planes, Bits, Unit> {
  using S = Shape<Planes, Bits, Unit>;
  static constexpr int panel_rows = NeonGemm<Gemm, Planes, Bits, Unit>::panel_rows;

  static constexpr int place(int unit, int /*units*/) { return unit; }

  // A panel's four bytes of a row lie beside those of the next row, dword after dword.
  static void fill_codes(std::uint8_t* to, const QuantizedMatrix& w, int /*units*/,
                         const std::int64_t (&rows)[4], int first_row) {
    const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
    const std::uint8_t* last = w.codes + w.rows * row_bytes;
    for (int i = 0; i * S::codes_per_vector < w.columns; ++i) {
      uint8x16_t codes[4][S::interleave];
      for (int r = 0; r < 4; ++r) {
        const std::uint8_t* p = w.codes + rows[r] * row_bytes + i * S::code_bytes;
        load_codes<Bits>(codes[r], p, last - p);
      }
      const int unit = i * 4 / S::layout.dwords, first = i * 4 % S::layout.dwords;
      for (int j = 0; j < S::interleave; ++j) {
        std::uint8_t* at =
            to + (unit * (Unit / 4) + j * S::layout.dwords + first) * panel_rows * 4 + first_row * 4;
        const uint32x4_t a = vreinterpretq_u32_u8(codes[0][j]), b = vreinterpretq_u32_u8(codes[1][j]);
        const uint32x4_t c = vreinterpretq_u32_u8(codes[2][j]), e = vreinterpretq_u32_u8(codes[3][j]);
        const uint64x2_t ab0 = vreinterpretq_u64_u32(vtrn1q_u32(a, b));
        const uint64x2_t ab1 = vreinterpretq_u64_u32(vtrn2q_u32(a, b));
        const uint64x2_t ce0 = vreinterpretq_u64_u32(vtrn1q_u32(c, e));
        const uint64x2_t ce1 = vreinterpretq_u64_u32(vtrn2q_u32(c, e));
        const uint64x2_t dwords[4] = {vtrn1q_u64(ab0, ce0), vtrn1q_u64(ab1, ce1), vtrn2q_u64(ab0, ce0),
                                      vtrn2q_u64(ab1, ce1)};
        for (int k = 0; k < 4; ++k) vst1q_u8(at + k * panel_rows * 4, vreinterpretq_u8_u64(dwords[k]));
      }
    }
  }

  template <int Rows>
  static void multiply_unit(const std::uint8_t* codes_of_unit, const std::int8_t* q, std::int64_t stride,
                            int unit, int /*units*/, int32x4_t (&sums)[Rows][2]) {
    const std::int8_t* x = q + std::int64_t{unit / units_per_block} * S::block * Planes +
                           4 * S::layout.first(unit % units_per_block);
#pragma clang loop unroll(full)
    for (int plane = 0; plane < Planes; ++plane) {
      const auto* codes = reinterpret_cast<const std::int8_t*>(codes_of_unit);
      if (plane == 1) {
        for (auto& of_row : sums) {
          of_row[0] = vshlq_n_s32(of_row[0], 8);
          of_row[1] = vshlq_n_s32(of_row[1], 8);
        }
      }
      for (int j = 0; j < S::layout.runs; ++j) {
        for (int first = 0; first < S::layout.dwords; first += 4, codes += 4 * panel_rows * 4) {
          int8x16_t w[4][2];
          for (int k = 0; k < 4; ++k) {
            w[k][0] = vld1q_s8(codes + k * panel_rows * 4);
            w[k][1] = vld1q_s8(codes + k * panel_rows * 4 + vector_bytes);
          }
          for (int m = 0; m < Rows; ++m) {
            const int8x16_t v =
                vld1q_s8(x + plane * S::block + m * stride + 4 * (j * S::layout.run_stride + first));
            for (int h = 0; h < 2; ++h) {
              sums[m][h] = vdotq_laneq_s32(sums[m][h], w[0][h], v, 0);
              sums[m][h] = vdotq_laneq_s32(sums[m][h], w[1][h], v, 1);
              sums[m][h] = vdotq_laneq_s32(sums[m][h], w[2][h], v, 2);
              sums[m][h] = vdotq_laneq_s32(sums[m][h], w[3][h], v, 3);
            }
          }
        }
      }
    }
  }
};

template <int Planes, int Bits, int Unit>
void gemm_of(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
             int end, void* scratch) {
  // Panels hold signed bytes, and tiles take four dwords of x at a time.
  if constexpr (Bits == 8 || Shape<Planes, Bits, Unit>::layout.dwords < 4) {
    for (int row = 0; row < x.rows; ++row) {
      gemv_of<Planes, Bits, Unit>(w, x, row, y + row * y_stride, begin, end);
    }
  } else {
    walk_panels<Gemm<Planes, Bits, Unit>>(w, x, y, y_stride, begin, end, scratch);
  }
}

template <int Bits, int Unit>
void gemm_any(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end, void* scratch) {
  if (x.format.storage == Storage::bytes) {
    return gemm_of<1, Bits, Unit>(w, x, y, y_stride, begin, end, scratch);
  }
  gemm_of<2, Bits, Unit>(w, x, y, y_stride, begin, end, scratch);
}

}  // namespace

void quantize(const float* x, const Activations& to, int row) {
  const int unit = to.format.unit, interleave = to.format.interleave;
  const int planes = to.format.storage == Storage::bytes ? 1 : 2, block = units_per_block * unit;
  auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * planes;
  for (int u = 0; u < to.units; ++u) {
    const float* values = x + static_cast<std::int64_t>(u) * unit;
    const Divisor by =
        u * unit < to.columns ? divisor_of(values, unit, to.format.levels) : Divisor{0, 0, true};
    int total = 0;
    for (int i = 0; i < unit; i += 4) {
      int32x4_t whole = vdupq_n_s32(0);
      if (!by.zero) whole = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(values + i), by.reciprocal));
      total += vaddvq_s32(whole);
      std::int32_t four[4];
      vst1q_s32(four, whole);
      for (int k = 0; k < 4; ++k) {
        const int at = u * unit + i + k, in_chunk = at % (64 * interleave);
        std::int8_t* to_code = q + static_cast<std::int64_t>(at / block) * block * planes + at % block -
                               in_chunk + in_chunk % interleave * 64 + in_chunk / interleave;
        if (planes == 2) {
          *to_code = static_cast<std::int8_t>((four[k] + 128) >> 8);
          to_code += block;
        }
        *to_code = static_cast<std::int8_t>(four[k]);
      }
    }
    const std::int64_t at = static_cast<std::int64_t>(row) * to.units + u;
    to.scale[at] = by.scale;
    to.sum[at] = by.zero ? by.scale : by.scale * static_cast<float>(total);
  }
}

void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  POME_QMM_DISPATCH(gemv_any, w, x, row, y, begin, end)
}

void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch) {
  POME_QMM_DISPATCH(gemm_any, w, x, y, y_stride, begin, end, scratch)
}

}  // namespace pome::kernels::qmm::neondot
