// Products of matrices of bfloat16: BFMMLA multiplies two rows of four elements of x by two of W, 16 products
// per instruction where float32 has four, and stored weights need no conversion.
//
// BFMLALB and BFMLALT would keep the order that dense.h promises for other processors, rounding each product
// once, but do four products as float32 does: what rounding x costs would buy nothing. So the order here is
// that of BFMMLA, and the scalar twin follows its way of rounding, which ignores the modes that are set.
//
// Tiles of up to 8 rows of x by 8 of W. For 8 elements of each, 16 loads and as many operations that lay two
// rows side by side serve 32 multiplications.
#include "kernels/dense/levels.h"
#include "kernels/neon.h"

namespace pome::kernels::dense::neonbf16 {
namespace {

constexpr int largest_rows = 8, columns_of_tile = 8;
constexpr int step = 8;    // elements of a vector
constexpr int panel = 32;  // rows of W that stay in the second-level cache: a block of them fills 64 KiB

// Two rows side by side: their first four elements, and their last.
struct Pair {
  bfloat16x8_t first, last;
};

inline Pair side_by_side(uint16x8_t a, uint16x8_t b) {
  const uint64x2_t v = vreinterpretq_u64_u16(a), w = vreinterpretq_u64_u16(b);
  return {vreinterpretq_bf16_u64(vzip1q_u64(v, w)), vreinterpretq_bf16_u64(vzip2q_u64(v, w))};
}

// y += the products of `count` elements. Of an odd number of rows the last counts twice, and one of its sums
// goes nowhere.
template <int Rows, int Columns>
void add_tile(const std::uint16_t* w, std::int64_t w_stride, int count, const std::uint16_t* x,
              std::int64_t x_stride, float* y, std::int64_t y_stride) {
  constexpr int row_pairs = (Rows + 1) / 2, column_pairs = (Columns + 1) / 2;
  float32x4_t sums[row_pairs][column_pairs];
#pragma clang loop unroll(full)
  for (auto& of_pair : sums) {
#pragma clang loop unroll(full)
    for (float32x4_t& sum : of_pair) sum = vdupq_n_f32(0);
  }
  const auto add_step = [&](int k, auto load_w) __attribute__((always_inline)) {
    Pair weights[column_pairs];
#pragma clang loop unroll(full)
    for (int p = 0; p < column_pairs; ++p) {
      const int second = 2 * p + 1 < Columns ? 2 * p + 1 : 2 * p;
      weights[p] = side_by_side(load_w(w + 2 * p * w_stride + k), load_w(w + second * w_stride + k));
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < row_pairs; ++r) {
      const int second = 2 * r + 1 < Rows ? 2 * r + 1 : 2 * r;
      const Pair v = side_by_side(vld1q_u16(x + 2 * r * x_stride + k), vld1q_u16(x + second * x_stride + k));
#pragma clang loop unroll(full)
      for (int p = 0; p < column_pairs; ++p) sums[r][p] = vbfmmlaq_f32(sums[r][p], v.first, weights[p].first);
#pragma clang loop unroll(full)
      for (int p = 0; p < column_pairs; ++p) sums[r][p] = vbfmmlaq_f32(sums[r][p], v.last, weights[p].last);
    }
  };
  int k = 0;
  // Stored weights need no alignment.
  for (; k + step <= count; k += step) {
    add_step(k, [](const std::uint16_t* p) {
      return vreinterpretq_u16_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(p)));
    });
  }
  if (k < count) {
    add_step(k, [&](const std::uint16_t* p) {
      std::uint16_t part[step] = {};
      __builtin_memcpy(part, p, static_cast<unsigned>(count - k) * 2);
      return vld1q_u16(part);
    });
  }
  for (int m = 0; m < Rows; ++m) {
    float* to = y + m * y_stride;
    for (int p = 0; p < column_pairs; ++p, to += 2) {
      const float32x4_t both = sums[m / 2][p];
      const float32x2_t sum = m % 2 == 0 ? vget_low_f32(both) : vget_high_f32(both);
      if (2 * p + 1 < Columns) {
        vst1_f32(to, vadd_f32(vld1_f32(to), sum));
      } else {
        *to += vget_lane_f32(sum, 0);
      }
    }
  }
}

// A block of columns [begin, end) for `Rows` rows of x.
template <int Rows>
void add_columns(const DenseMatrix& w, int k, const std::uint16_t* x, std::int64_t x_stride, float* y,
                 std::int64_t y_stride, int begin, int end) {
  const int count = w.columns - k < block ? w.columns - k : block;
  const auto* weights = static_cast<const std::uint16_t*>(w.data) + k;
  int n = begin;
  for (; n + columns_of_tile <= end; n += columns_of_tile) {
    add_tile<Rows, columns_of_tile>(weights + std::int64_t{n} * w.columns, w.columns, count, x, x_stride,
                                    y + n, y_stride);
  }
  for (; n < end; ++n) {
    add_tile<Rows, 1>(weights + std::int64_t{n} * w.columns, w.columns, count, x, x_stride, y + n, y_stride);
  }
}

constexpr decltype(&add_columns<1>) add_columns_of[largest_rows + 1] = {
    nullptr,        add_columns<1>, add_columns<2>, add_columns<3>, add_columns<4>,
    add_columns<5>, add_columns<6>, add_columns<7>, add_columns<8>};

}  // namespace

void round(const float* x, const Activations& to, int row) {
  auto* out = static_cast<std::uint16_t*>(to.q) + row * to.stride;
  const auto rounded = [](const float* p) {
    const float32x4_t v = vld1q_f32(p);
    const uint32x4_t denormal = vcaltq_f32(v, vdupq_n_f32(0x1p-126f));
    const uint32x4_t bits = vbicq_u32(vreinterpretq_u32_f32(v), denormal);
    return vreinterpret_u16_bf16(vcvt_bf16_f32(vreinterpretq_f32_u32(bits)));
  };
  int k = 0;
  for (; k + 4 <= to.columns; k += 4) vst1_u16(out + k, rounded(x + k));
  for (; k < (to.columns + 31) / 32 * 32; k += 4) {
    float part[4] = {};
    for (int i = 0; i < to.columns - k && i < 4; ++i) part[i] = x[k + i];
    vst1_u16(out + k, rounded(part));
  }
}

void multiply(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  for (int m = 0; m < x.rows; ++m) {
    for (int n = begin; n < end; ++n) y[m * y_stride + n] = 0;
  }
  // Where one tile takes all rows of x, W is read once, a few rows of it in the order of memory.
  const int columns = x.rows <= largest_rows ? columns_of_tile : panel;
  for (int n = begin; n < end; n += columns) {
    const int last = end - n < columns ? end : n + columns;
    for (int k = 0; k < w.columns; k += block) {
      for (int m = 0; m < x.rows; m += largest_rows) {
        const int rows = x.rows - m < largest_rows ? x.rows - m : largest_rows;
        add_columns_of[rows](w, k, static_cast<const std::uint16_t*>(x.q) + m * x.stride + k, x.stride,
                             y + m * y_stride, y_stride, n, last);
      }
    }
  }
}

}  // namespace pome::kernels::dense::neonbf16
