// Arm NEON with dot products (Armv8.2): 16 products of signed bytes per instruction. Activations are planes
// of bytes as on AVX-512, so both have one arithmetic and one layout; here a chunk is four vectors.
//
// Codes of 8 bits do not fit signed bytes: their upper seven bits and their last are multiplied apart.
#include "kernels/neon.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::neondot {
namespace {

constexpr int vector_bytes = 16;
constexpr int vectors_per_chunk = 64 / vector_bytes;

// out[l]: the scale or bias of unit l of a block, zero from `units` on.
inline void load_scales(float (&out)[units_per_block], const void* values, Element type, std::int64_t group,
                        int units, bool two_per_group) {
  if (units == units_per_block && !two_per_group) {
    for (int l = 0; l < units_per_block; l += 4) vst1q_f32(out + l, load_floats(values, type, group + l));
    return;
  }
  for (int l = 0; l < units_per_block; ++l) {
    out[l] = l < units ? element(values, type, group + (two_per_group ? l / 2 : l)) : 0.0f;
  }
}

// 16 codes of Bits bits in natural order; they fill 2·Bits bytes at p, of `left` that may be read.
template <int Bits>
inline uint8x16_t unpack(const std::uint8_t* p, std::int64_t left) {
  // A lane of 16 bits takes the two bytes that hold its pair of codes.
  alignas(16) static constexpr auto tables = [] {
    struct {
      std::uint8_t bytes[16];
      std::int16_t shifts[8];
    } t{};
    for (int i = 0; i < 8; ++i) {
      t.bytes[2 * i] = static_cast<std::uint8_t>(i * 2 * Bits / 8);
      t.bytes[2 * i + 1] = static_cast<std::uint8_t>(i * 2 * Bits / 8 + 1);
      t.shifts[i] = static_cast<std::int16_t>(-(i * 2 * Bits % 8));
    }
    return t;
  }();
  uint8x16_t packed;
  if (left >= vector_bytes) {
    packed = vld1q_u8(p);
  } else {
    std::uint8_t copy[vector_bytes] = {};
    __builtin_memcpy(copy, p, 2 * Bits);
    packed = vld1q_u8(copy);
  }
  const uint16x8_t words = vreinterpretq_u16_u8(vqtbl1q_u8(packed, vld1q_u8(tables.bytes)));
  const uint16x8_t pairs = vshlq_u16(words, vld1q_s16(tables.shifts));
  constexpr int mask = (1 << Bits) - 1;
  const uint16x8_t low = vandq_u16(pairs, vdupq_n_u16(mask));
  const uint16x8_t high = vandq_u16(vshlq_n_u16(pairs, 8 - Bits), vdupq_n_u16(mask << 8));
  return vreinterpretq_u8_u16(vorrq_u16(low, high));
}

// The codes of a vector's lanes, one set per shift.
template <int Bits>
inline void load_codes(uint8x16_t* codes, const std::uint8_t* p, std::int64_t left) {
  if constexpr (unpacked_first(Bits)) {
    codes[0] = unpack<Bits>(p, left);
  } else {
    const uint8x16_t v = vld1q_u8(p);
    for (int j = 0; j < 8 / Bits; ++j) {
      const uint8x16_t shifted = vshlq_u8(v, vdupq_n_s8(static_cast<std::int8_t>(-j * Bits)));
      codes[j] = vandq_u8(shifted, vdupq_n_u8(static_cast<std::uint8_t>((1 << Bits) - 1)));
    }
  }
}

template <int Bits>
inline int32x4_t add_products(int32x4_t sums, uint8x16_t codes, int8x16_t x) {
  if constexpr (Bits == 8) {
    const int8x16_t upper = vreinterpretq_s8_u8(vshrq_n_u8(codes, 1));
    const int8x16_t last = vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(1)));
    const int32x4_t halves = vdotq_s32(vdupq_n_s32(0), upper, x);
    return vaddq_s32(vdotq_s32(sums, last, x), vshlq_n_s32(halves, 1));
  } else {
    return vdotq_s32(sums, vreinterpretq_s8_u8(codes), x);
  }
}

template <int Planes, int Bits, int Unit>
struct Shape {
  static constexpr int interleave = interleave_of(Bits, true);
  static constexpr UnitLayout layout = unit_layout(interleave, Unit, true);
  static constexpr int block = units_per_block * Unit;
  static constexpr int code_bytes = vector_bytes * Bits * interleave / 8;  // that one vector of lanes holds
  static constexpr int codes_per_vector = vector_bytes * interleave;
};

template <int Planes, int Bits, int Unit>
void gemv_of(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  using S = Shape<Planes, Bits, Unit>;
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
  const std::int64_t groups = w.columns / w.group;
  const bool two_per_group = w.group > Unit;
  const std::uint8_t* last = w.codes + w.rows * row_bytes;
  const auto* q = static_cast<const std::int8_t*>(x.q) + row * x.stride * Planes;
  const float* d = x.scale + static_cast<std::int64_t>(row) * x.units;
  const float* sum = x.sum + static_cast<std::int64_t>(row) * x.units;
  const int valid_units = w.columns / Unit;
  for (int n = begin; n < end; ++n) {
    float32x4_t v[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    for (int u = 0; u < valid_units; u += units_per_block) {
      const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
      const std::uint8_t* codes_of_block =
          w.codes + n * row_bytes + static_cast<std::int64_t>(u) * Unit / 8 * Bits;
      const std::int8_t* xb = q + static_cast<std::int64_t>(u) * Unit * Planes;
      std::int32_t unit_sums[units_per_block] = {};
      for (int i = 0; i * S::codes_per_vector < units * Unit; ++i) {
        const std::uint8_t* p = codes_of_block + i * S::code_bytes;
        __builtin_prefetch(p + 1024);
        uint8x16_t codes[S::interleave];
        // The last lanes of a short block may lie behind the matrix.
        if (unpacked_first(Bits) || last - p >= vector_bytes) {
          load_codes<Bits>(codes, p, last - p);
        } else {
          std::uint8_t copy[vector_bytes] = {};
          __builtin_memcpy(copy, p, static_cast<unsigned>(last - p));
          load_codes<Bits>(codes, copy, vector_bytes);
        }
        const std::int8_t* xi =
            xb + i / vectors_per_chunk * 64 * S::interleave + i % vectors_per_chunk * vector_bytes;
        int32x4_t t = vdupq_n_s32(0);
        for (int plane = 0; plane < Planes; ++plane) {
          if (plane == 1) t = vshlq_n_s32(t, 8);
          for (int j = 0; j < S::interleave; ++j) {
            t = add_products<Bits>(t, codes[j], vld1q_s8(xi + plane * S::block + j * 64));
          }
        }
        if constexpr (S::layout.dwords == 2) {
          const int32x4_t pairs = vpaddq_s32(t, t);
          unit_sums[2 * i] = vgetq_lane_s32(pairs, 0);
          unit_sums[2 * i + 1] = vgetq_lane_s32(pairs, 1);
        } else {
          unit_sums[i * 4 / S::layout.dwords] += vaddvq_s32(t);
        }
      }
      float scales[units_per_block], biases[units_per_block];
      const std::int64_t group = n * groups + (two_per_group ? u / 2 : u);
      load_scales(scales, w.scales, w.scale_type, group, units, two_per_group);
      load_scales(biases, w.biases, w.scale_type, group, units, two_per_group);
      for (int i = 0; i < 4; ++i) {
        if (4 * i >= units) {
          // Behind K nothing but zeros; what half a vector read there counts for nothing either.
          v[i] = vaddq_f32(v[i], vdupq_n_f32(0));
          continue;
        }
        const float32x4_t scale = vmulq_f32(vld1q_f32(scales + 4 * i), vld1q_f32(d + u + 4 * i));
        v[i] = vfmaq_f32(v[i], vcvtq_f32_s32(vld1q_s32(unit_sums + 4 * i)), scale);
        v[i] = vfmaq_f32(v[i], vld1q_f32(biases + 4 * i), vld1q_f32(sum + u + 4 * i));
      }
    }
    const float32x4_t v4 = vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3]));
    const float32x2_t v2 = vadd_f32(vget_low_f32(v4), vget_high_f32(v4));
    y[n] = vget_lane_f32(v2, 0) + vget_lane_f32(v2, 1);
  }
}

template <int Planes, int Bits, int Unit>
struct Gemm {
  using S = Shape<Planes, Bits, Unit>;
  static constexpr int panel_rows = 8;
  static constexpr int largest_tile = 4;
  static constexpr bool bytes = true;

  static void fill(const Panel& panel, const QuantizedMatrix& w, const Activations& x, int first_row) {
    const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
    const std::int64_t groups = w.columns / w.group;
    const bool two_per_group = w.group > Unit;
    const std::uint8_t* last = w.codes + w.rows * row_bytes;
    const int valid_units = w.columns / Unit;
    for (int half = 0; half < panel_rows; half += 4) {
      std::int64_t rows[4];
      for (int r = 0; r < 4; ++r) {
        rows[r] = first_row + half + r < w.rows ? first_row + half + r : w.rows - 1;
      }
      for (int i = 0; i * S::codes_per_vector < w.columns; ++i) {
        uint8x16_t codes[4][S::interleave];
        for (int r = 0; r < 4; ++r) {
          const std::uint8_t* p = w.codes + rows[r] * row_bytes + i * S::code_bytes;
          load_codes<Bits>(codes[r], p, last - p);
        }
        const int unit = i * 4 / S::layout.dwords, first = i * 4 % S::layout.dwords;
        for (int j = 0; j < S::interleave; ++j) {
          std::int8_t* to = static_cast<std::int8_t*>(panel.codes) +
                            (unit * (Unit / 4) + j * S::layout.dwords + first) * panel_rows * 4 + half * 4;
          const uint32x4_t a = vreinterpretq_u32_u8(codes[0][j]), b = vreinterpretq_u32_u8(codes[1][j]);
          const uint32x4_t c = vreinterpretq_u32_u8(codes[2][j]), e = vreinterpretq_u32_u8(codes[3][j]);
          const uint64x2_t ab0 = vreinterpretq_u64_u32(vtrn1q_u32(a, b));
          const uint64x2_t ab1 = vreinterpretq_u64_u32(vtrn2q_u32(a, b));
          const uint64x2_t ce0 = vreinterpretq_u64_u32(vtrn1q_u32(c, e));
          const uint64x2_t ce1 = vreinterpretq_u64_u32(vtrn2q_u32(c, e));
          const uint64x2_t dwords[4] = {vtrn1q_u64(ab0, ce0), vtrn1q_u64(ab1, ce1), vtrn2q_u64(ab0, ce0),
                                        vtrn2q_u64(ab1, ce1)};
          for (int k = 0; k < 4; ++k) vst1q_s8(to + k * panel_rows * 4, vreinterpretq_s8_u64(dwords[k]));
        }
      }
      for (int u = 0; u < x.units; u += units_per_block) {
        const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
        for (int r = 0; r < 4; ++r) {
          float scales[units_per_block], biases[units_per_block];
          const std::int64_t group = rows[r] * groups + (two_per_group ? u / 2 : u);
          load_scales(scales, w.scales, w.scale_type, group, units, two_per_group);
          load_scales(biases, w.biases, w.scale_type, group, units, two_per_group);
          for (int l = 0; l < units_per_block; ++l) {
            panel.scales[(u + l) * panel_rows + half + r] = scales[l];
            panel.biases[(u + l) * panel_rows + half + r] = biases[l];
          }
        }
      }
    }
  }

  template <int Rows>
  static void multiply_unit(const std::int8_t* codes_of_unit, const std::int8_t* x, std::int64_t stride,
                            int32x4_t (&sums)[Rows][2]) {
    for (auto& of_row : sums) of_row[0] = of_row[1] = vdupq_n_s32(0);
    for (int plane = 0; plane < Planes; ++plane) {
      const std::int8_t* codes = codes_of_unit;
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

  // Lane by lane, in counter_order, the lane's units are added up; lanes are added like a binary counter:
  // `pending[l]` is the sum of 2^l of them that waits for its neighbour.
  template <int Rows>
  static void multiply_tile(const Panel& panel, const Tile& tile) {
    const Activations& x = tile.x;
    const std::int64_t stride = x.stride * Planes;
    const auto* q = static_cast<const std::int8_t*>(x.q) + tile.first * stride;
    const float* d = x.scale + static_cast<std::int64_t>(tile.first) * x.units;
    const float* sum = x.sum + static_cast<std::int64_t>(tile.first) * x.units;
    const int valid_units = x.columns / Unit;
    float32x4_t pending[4][Rows][2], v[Rows][2];
    for (int i = 0; i < units_per_block; ++i) {
      for (auto& of_row : v) of_row[0] = of_row[1] = vdupq_n_f32(0);
      for (int u = counter_order[i], b = 0; u < x.units; u += units_per_block, ++b) {
        int32x4_t sums[Rows][2] = {};
        if (u < valid_units) {
          multiply_unit<Rows>(
              static_cast<const std::int8_t*>(panel.codes) + std::int64_t{u} * Unit * panel_rows,
              q + std::int64_t{b} * S::block * Planes + 4 * S::layout.first(counter_order[i]), stride, sums);
        }
        for (int m = 0; m < Rows; ++m) {
          const float32x4_t dm = vdupq_n_f32(d[m * x.units + u]), sm = vdupq_n_f32(sum[m * x.units + u]);
          for (int h = 0; h < 2; ++h) {
            const float32x4_t scale = vmulq_f32(vld1q_f32(panel.scales + u * panel_rows + 4 * h), dm);
            v[m][h] = vfmaq_f32(v[m][h], vcvtq_f32_s32(sums[m][h]), scale);
            v[m][h] = vfmaq_f32(v[m][h], vld1q_f32(panel.biases + u * panel_rows + 4 * h), sm);
          }
        }
      }
      int level = 0;
      for (; i >> level & 1; ++level) {
        for (int m = 0; m < Rows; ++m) {
          for (int h = 0; h < 2; ++h) v[m][h] = vaddq_f32(pending[level][m][h], v[m][h]);
        }
      }
      if (level < 4) {
        for (int m = 0; m < Rows; ++m) {
          for (int h = 0; h < 2; ++h) pending[level][m][h] = v[m][h];
        }
      }
    }
    for (int m = 0; m < Rows; ++m) {
      __builtin_memcpy(tile.y + m * tile.y_stride, v[m], static_cast<unsigned>(tile.columns) * 4);
    }
  }

  static void multiply(const Panel& panel, const Tile& tile, int rows) {
    multiply_up_to_four<Gemm>(panel, tile, rows);
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
void gemv_any(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  if (x.format.storage == Storage::bytes) return gemv_of<1, Bits, Unit>(w, x, row, y, begin, end);
  gemv_of<2, Bits, Unit>(w, x, row, y, begin, end);
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
  const auto levels = static_cast<float>(to.format.levels);
  auto* q = static_cast<std::int8_t*>(to.q) + row * to.stride * planes;
  for (int u = 0; u < to.units; ++u) {
    const float* values = x + static_cast<std::int64_t>(u) * unit;
    uint32x4_t magnitudes = vdupq_n_u32(0);
    for (int i = 0; u * unit < to.columns && i < unit; i += 4) {
      magnitudes = vmaxq_u32(magnitudes, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(values + i))));
    }
    const std::uint32_t bits = vmaxvq_u32(magnitudes);
    float largest;
    __builtin_memcpy(&largest, &bits, 4);
    const bool finite = bits < 0x7f800000;
    const bool zero = !finite || largest < smallest_magnitude;
    const float reciprocal = levels / largest;
    int total = 0;
    for (int i = 0; i < unit; i += 4) {
      int32x4_t whole = vdupq_n_s32(0);
      if (!zero) whole = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(values + i), reciprocal));
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
    to.scale[at] = zero ? (finite ? 0.0f : __builtin_nanf("")) : largest / levels;
    to.sum[at] = zero ? to.scale[at] : to.scale[at] * static_cast<float>(total);
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
