// What the NEON levels share: how codes are unpacked, products with one row of x, and the walk of a tile over
// a panel. Internal linkage, since their files are compiled for different processors.
#pragma once

#include "kernels/neon.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm {
namespace {

constexpr int vector_bytes = 16;
constexpr int vectors_per_chunk = 64 / vector_bytes;

template <int Planes, int Bits, int Unit>
struct Shape {
  static constexpr int interleave = interleave_of(Bits, true);
  static constexpr UnitLayout layout = unit_layout(interleave, Unit, true);
  static constexpr int block = units_per_block * Unit;
  static constexpr int code_bytes = vector_bytes * Bits * interleave / 8;  // that one vector of lanes holds
  static constexpr int codes_per_vector = vector_bytes * interleave;
};

// What the activations of a unit are divided by.
struct Divisor {
  float scale;
  float reciprocal;
  bool zero;  // of a unit that counts as zeros, or is not finite
};

inline Divisor divisor_of(const float* values, int unit, int levels) {
  uint32x4_t magnitudes = vdupq_n_u32(0);
  for (int i = 0; i < unit; i += 4) {
    magnitudes = vmaxq_u32(magnitudes, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(values + i))));
  }
  const std::uint32_t bits = vmaxvq_u32(magnitudes);
  float largest;
  __builtin_memcpy(&largest, &bits, 4);
  const auto most = static_cast<float>(levels);
  if (bits >= 0x7f800000) return {__builtin_nanf(""), 0, true};
  if (largest < smallest_magnitude) return {0, 0, true};
  return {largest / most, most / largest, false};
}

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

// Transposes: out[i] = lane i of each.
inline void transpose(const float32x4_t (&rows)[4], float32x4_t* out) {
  const uint64x2_t ab0 = vreinterpretq_u64_f32(vtrn1q_f32(rows[0], rows[1]));
  const uint64x2_t ab1 = vreinterpretq_u64_f32(vtrn2q_f32(rows[0], rows[1]));
  const uint64x2_t cd0 = vreinterpretq_u64_f32(vtrn1q_f32(rows[2], rows[3]));
  const uint64x2_t cd1 = vreinterpretq_u64_f32(vtrn2q_f32(rows[2], rows[3]));
  out[0] = vreinterpretq_f32_u64(vtrn1q_u64(ab0, cd0));
  out[1] = vreinterpretq_f32_u64(vtrn1q_u64(ab1, cd1));
  out[2] = vreinterpretq_f32_u64(vtrn2q_u64(ab0, cd0));
  out[3] = vreinterpretq_f32_u64(vtrn2q_u64(ab1, cd1));
}

// out[l], lane r: the scale or bias of unit l of a block of row r, whose groups start at groups[r].
inline void load_scales_of_four(float32x4_t (&out)[units_per_block], const void* values, Element type,
                                const std::int64_t (&groups)[4], int units, bool two_per_group) {
  if (units < units_per_block || two_per_group) {
    float rows[4][units_per_block];
    for (int r = 0; r < 4; ++r) load_scales(rows[r], values, type, groups[r], units, two_per_group);
    for (int l = 0; l < units_per_block; l += 4) {
      transpose(
          {vld1q_f32(rows[0] + l), vld1q_f32(rows[1] + l), vld1q_f32(rows[2] + l), vld1q_f32(rows[3] + l)},
          out + l);
    }
    return;
  }
  for (int l = 0; l < units_per_block; l += 4) {
    transpose({load_floats(values, type, groups[0] + l), load_floats(values, type, groups[1] + l),
               load_floats(values, type, groups[2] + l), load_floats(values, type, groups[3] + l)},
              out + l);
  }
}

// The codes of a vector's lanes, one set per shift; `left` bytes may be read, zeros are behind them.
template <int Bits>
inline void load_codes(uint8x16_t* codes, const std::uint8_t* p, std::int64_t left) {
  if constexpr (unpacked_first(Bits)) {
    codes[0] = natural_codes<Bits>(p, left);
  } else {
    std::uint8_t copy[vector_bytes] = {};
    if (left < vector_bytes) {
      __builtin_memcpy(copy, p, static_cast<unsigned>(left));
      p = copy;
    }
    const uint8x16_t v = vld1q_u8(p);
    for (int j = 0; j < 8 / Bits; ++j) {
      const uint8x16_t shifted = vshlq_u8(v, vdupq_n_s8(static_cast<std::int8_t>(-j * Bits)));
      codes[j] = vandq_u8(shifted, vdupq_n_u8(static_cast<std::uint8_t>((1 << Bits) - 1)));
    }
  }
}

// Codes of 8 bits do not fit signed bytes: without the instruction for unsigned ones their upper seven bits
// and their last are multiplied apart.
template <int Bits>
inline int32x4_t add_products(int32x4_t sums, uint8x16_t codes, int8x16_t x) {
  if constexpr (Bits == 8) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
    return vusdotq_s32(sums, codes, x);
#else
    const int8x16_t upper = vreinterpretq_s8_u8(vshrq_n_u8(codes, 1));
    const int8x16_t last = vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(1)));
    const int32x4_t halves = vdotq_s32(vdupq_n_s32(0), upper, x);
    return vaddq_s32(vdotq_s32(sums, last, x), vshlq_n_s32(halves, 1));
#endif
  } else {
    return vdotq_s32(sums, vreinterpretq_s8_u8(codes), x);
  }
}

// Four rows of W at once, of which the last may be one row several times: lane l of the sum is a vector of
// the four, so that a unit's products become floats together.
template <int Planes, int Bits, int Unit>
void gemv_of(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  using S = Shape<Planes, Bits, Unit>;
  constexpr int vectors = S::layout.dwords < 4 ? 1 : S::layout.dwords / 4;  // of a unit's run
  constexpr int unit_bytes = Unit / 8 * Bits;
  constexpr int bytes_of_vector = unit_bytes < S::code_bytes ? unit_bytes : S::code_bytes;
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) / 8 * Bits;
  const std::int64_t groups = w.columns / w.group;
  const bool two_per_group = w.group > Unit;
  const std::uint8_t* last = w.codes + w.rows * row_bytes;
  const auto* q = static_cast<const std::int8_t*>(x.q) + row * x.stride * Planes;
  const float* d = x.scale + static_cast<std::int64_t>(row) * x.units;
  const float* sum = x.sum + static_cast<std::int64_t>(row) * x.units;
  const int valid_units = w.columns / Unit;
  for (int n = begin; n < end; n += 4) {
    std::int64_t rows[4], first_groups[4];
    for (int r = 0; r < 4; ++r) rows[r] = n + r < end ? n + r : end - 1;
    float32x4_t lanes[units_per_block];
    for (float32x4_t& lane : lanes) lane = vdupq_n_f32(0);
    for (int u = 0; u < valid_units; u += units_per_block) {
      const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
      for (int r = 0; r < 4; ++r) first_groups[r] = rows[r] * groups + (two_per_group ? u / 2 : u);
      float32x4_t scales[units_per_block], biases[units_per_block];
      load_scales_of_four(scales, w.scales, w.scale_type, first_groups, units, two_per_group);
      load_scales_of_four(biases, w.biases, w.scale_type, first_groups, units, two_per_group);
      for (int l = 0; l < units; ++l) {
        const std::int8_t* of_unit =
            q + static_cast<std::int64_t>(u) * Unit * Planes + 4 * S::layout.first(l);
        int32x4_t t[Planes][4] = {};
#pragma clang loop unroll(full)
        for (int i = 0; i < vectors; ++i) {
          uint8x16_t codes[4][S::interleave];
#pragma clang loop unroll(full)
          for (int r = 0; r < 4; ++r) {
            const std::uint8_t* p =
                w.codes + rows[r] * row_bytes + std::int64_t{u + l} * unit_bytes + i * S::code_bytes;
            if (i == 0) __builtin_prefetch(p + 1024);
            load_codes<Bits>(codes[r], p, unpacked_first(Bits) ? last - p : bytes_of_vector);
          }
#pragma clang loop unroll(full)
          for (int j = 0; j < S::interleave; ++j) {
#pragma clang loop unroll(full)
            for (int plane = 0; plane < Planes; ++plane) {
              // Where a unit fills half a vector of lanes, the codes behind are zeros.
              const int8x16_t v =
                  vld1q_s8(of_unit + plane * S::block + j * 4 * S::layout.run_stride + i * vector_bytes);
#pragma clang loop unroll(full)
              for (int r = 0; r < 4; ++r) t[plane][r] = add_products<Bits>(t[plane][r], codes[r][j], v);
            }
          }
        }
        const auto add_lanes = [](const int32x4_t(&of)[4]) {
          return vpaddq_s32(vpaddq_s32(of[0], of[1]), vpaddq_s32(of[2], of[3]));
        };
        int32x4_t products = add_lanes(t[0]);
        if constexpr (Planes == 2) products = vaddq_s32(vshlq_n_s32(products, 8), add_lanes(t[1]));
        const float32x4_t scale = vmulq_n_f32(scales[l], d[u + l]);
        lanes[l] = vfmaq_f32(lanes[l], vcvtq_f32_s32(products), scale);
        lanes[l] = vfmaq_n_f32(lanes[l], biases[l], sum[u + l]);
      }
      // Behind K nothing but zeros.
      for (int l = units; l < units_per_block; ++l) lanes[l] = vaddq_f32(lanes[l], vdupq_n_f32(0));
    }
    for (int half = units_per_block / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lanes[l] = vaddq_f32(lanes[l], lanes[l + half]);
    }
    __builtin_memcpy(y + n, lanes, static_cast<unsigned>(end - n < 4 ? end - n : 4) * 4);
  }
}

template <int Bits, int Unit>
void gemv_any(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end) {
  if (x.format.storage == Storage::bytes) return gemv_of<1, Bits, Unit>(w, x, row, y, begin, end);
  gemv_of<2, Bits, Unit>(w, x, row, y, begin, end);
}

// Panels of eight rows and tiles of up to four, for a level that says where it keeps unit u of x.units and
// what it does with it:
//
//   place(u, units)                           index of its scale, sum and codes
//   fill_codes(panel, w, units, rows, first)  of a vector of lanes after the other, for rows[4], which are
//                                             `first` … first + 3 of the panel
//   multiply_unit<Rows>(codes, q, stride, u, units, sums)
//                                             sums[m][h] = the products of row m of x, whose rows begin at q
//                                             and lie `stride` bytes apart, with four rows of the panel
template <class Level, int Planes, int Bits, int Unit>
struct NeonGemm {
  static constexpr int panel_rows = 8;
  static constexpr int largest_tile = 4;
  static constexpr bool bytes = true;

  static void fill(const Panel& panel, const QuantizedMatrix& w, const Activations& x, int first_row) {
    const std::int64_t groups = w.columns / w.group;
    const bool two_per_group = w.group > Unit;
    const int valid_units = w.columns / Unit;
    for (int half = 0; half < panel_rows; half += 4) {
      std::int64_t rows[4];
      for (int r = 0; r < 4; ++r) {
        rows[r] = first_row + half + r < w.rows ? first_row + half + r : w.rows - 1;
      }
      Level::fill_codes(static_cast<std::uint8_t*>(panel.codes), w, x.units, rows, half);
      for (int u = 0; u < x.units; u += units_per_block) {
        const int units = valid_units - u < units_per_block ? valid_units - u : units_per_block;
        for (int r = 0; r < 4; ++r) {
          float scales[units_per_block], biases[units_per_block];
          const std::int64_t group = rows[r] * groups + (two_per_group ? u / 2 : u);
          load_scales(scales, w.scales, w.scale_type, group, units, two_per_group);
          load_scales(biases, w.biases, w.scale_type, group, units, two_per_group);
          for (int l = 0; l < units_per_block; ++l) {
            const int at = Level::place(u + l, x.units) * panel_rows + half + r;
            panel.scales[at] = scales[l];
            panel.biases[at] = biases[l];
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
      int u = counter_order[i];
      for (; u < valid_units; u += units_per_block) {
        const int at = Level::place(u, x.units);
        const auto* codes =
            static_cast<const std::uint8_t*>(panel.codes) + std::int64_t{at} * Unit * panel_rows;
        int32x4_t sums[Rows][2] = {};
        Level::template multiply_unit<Rows>(codes, q, stride, u, x.units, sums);
        for (int m = 0; m < Rows; ++m) {
          const float32x4_t dm = vdupq_n_f32(d[m * x.units + at]), sm = vdupq_n_f32(sum[m * x.units + at]);
          for (int h = 0; h < 2; ++h) {
            const float32x4_t scale = vmulq_f32(vld1q_f32(panel.scales + at * panel_rows + 4 * h), dm);
            v[m][h] = vfmaq_f32(v[m][h], vcvtq_f32_s32(sums[m][h]), scale);
            v[m][h] = vfmaq_f32(v[m][h], vld1q_f32(panel.biases + at * panel_rows + 4 * h), sm);
          }
        }
      }
      if (u < x.units) {  // zeros behind K
        for (auto& of_row : v) {
          for (float32x4_t& lanes : of_row) lanes = vaddq_f32(lanes, vdupq_n_f32(0));
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
    multiply_up_to_four<NeonGemm>(panel, tile, rows);
  }
};

}  // namespace
}  // namespace pome::kernels::qmm
