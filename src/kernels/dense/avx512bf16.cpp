// Products of pairs of bfloat16: 32 of them per instruction, twice what float32 allows, and stored weights
// need no conversion.
//
// Tiles of 4 rows of x by 4 of W. Lanes run along K, so neither is rearranged; a block of four rows of x
// stays in the first-level cache while rows of W pass by, out of the second after the first time.
#include "kernels/avx512.h"
#include "kernels/dense/levels.h"

namespace pome::kernels::dense::avx512bf16 {
namespace {

constexpr int largest_columns = 4;
constexpr int panel = 32;  // rows of W that stay in the second-level cache: a block of them fills 64 KiB
constexpr std::int64_t near_bytes = 2048, far_bytes = 8192;

struct Rows {
  const std::uint16_t* first;
  std::int64_t stride;
};

// The first `count` of 32 elements.
inline __mmask32 first_halves(int count) { return count >= 32 ? ~0u : (1u << count) - 1; }

inline __m512 add_products(__m512 sums, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(sums, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

// y += the products of `count` elements. With `Ahead`, as many bytes from there on are asked for as are read
// of W.
template <int M, int N, bool Ahead>
void add_tile(Rows w, Rows x, int count, float* y, std::int64_t y_stride, const std::uint8_t*& ahead) {
  __m512 sums[M][N];
#pragma clang loop unroll(full)
  for (int m = 0; m < M; ++m) {
#pragma clang loop unroll(full)
    for (int n = 0; n < N; ++n) sums[m][n] = _mm512_setzero_ps();
  }
  const auto step = [&](int k, __mmask32 mask) __attribute__((always_inline)) {
    __m512i weights[N];
#pragma clang loop unroll(full)
    for (int n = 0; n < N; ++n) weights[n] = _mm512_maskz_loadu_epi16(mask, w.first + n * w.stride + k);
#pragma clang loop unroll(full)
    for (int n = 0; n < N && Ahead; ++n, ahead += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(ahead + far_bytes), _MM_HINT_T1);
    }
#pragma clang loop unroll(full)
    for (int m = 0; m < M; ++m) {
      const __m512i v = _mm512_load_si512(x.first + m * x.stride + k);
#pragma clang loop unroll(full)
      for (int n = 0; n < N; ++n) sums[m][n] = add_products(sums[m][n], weights[n], v);
    }
  };
  int k = 0;
  for (; k + 32 <= count; k += 32) step(k, ~0u);
  if (k < count) step(k, first_halves(count - k));
#pragma clang loop unroll(full)
  for (int m = 0; m < M; ++m) {
    float* to = y + m * y_stride;
    if constexpr (N == 4) {
      _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to),
                                   sum_four_by_halves(sums[m][0], sums[m][1], sums[m][2], sums[m][3])));
    } else {
      for (int n = 0; n < N; ++n) to[n] += sum_by_halves(sums[m][n]);
    }
  }
}

template <int M>
struct Tiles {
  const DenseMatrix& w;
  const Activations& x;
  float* y;
  std::int64_t y_stride;

  Rows weights(int n, int k) const {
    return {static_cast<const std::uint16_t*>(w.data) + std::int64_t{n} * w.columns + k, w.columns};
  }
  Rows rows(int m, int k) const {
    return {static_cast<const std::uint16_t*>(x.q) + m * x.stride + k, x.stride};
  }
  int count(int k) const { return w.columns - k < block ? w.columns - k : block; }

  template <int N, bool Ahead>
  void add(int m, int n, int k, const std::uint8_t*& ahead) const {
    add_tile<M, N, Ahead>(weights(n, k), rows(m, k), count(k), y + m * y_stride + n, y_stride, ahead);
  }

  // Rows m … m + M - 1, one block of columns [begin, end).
  void add_block(int m, int begin, int end, int k) const {
    const std::uint8_t* nothing = nullptr;
    int n = begin;
    for (; n + largest_columns <= end; n += largest_columns) add<largest_columns, false>(m, n, k, nothing);
    for (; n < end; ++n) add<1, false>(m, n, k, nothing);
  }

  // All of x, where it has no more than M rows: W is read once, in the order of memory.
  void walk(int begin, int end) const {
    const std::int64_t row_bytes = std::int64_t{w.columns} * 2;
    const std::int64_t at_once = largest_columns * row_bytes;
    const auto* ahead = static_cast<const std::uint8_t*>(w.data) + begin * row_bytes +
                        (at_once > near_bytes ? at_once : near_bytes);
    int n = begin;
    for (; n + largest_columns <= end; n += largest_columns) {
      for (int k = 0; k < w.columns; k += block) add<largest_columns, true>(0, n, k, ahead);
    }
    for (; n < end; ++n) {
      for (int k = 0; k < w.columns; k += block) add<1, true>(0, n, k, ahead);
    }
  }
};

}  // namespace

void round(const float* x, const Activations& to, int row) {
  auto* out = static_cast<std::uint16_t*>(to.q) + row * to.stride;
  for (int k = 0; k < to.columns; k += 32) {
    for (int half = k; half < k + 32; half += 16) {
      const int count = to.columns - half;
      const __m512 v = _mm512_maskz_loadu_ps(first_lanes(count > 0 ? count : 0), x + half);
      _mm256_store_si256(reinterpret_cast<__m256i*>(out + half),
                         reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
    }
  }
}

void multiply(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  for (int m = 0; m < x.rows; ++m) {
    for (int n = begin; n < end; ++n) y[m * y_stride + n] = 0;
  }
  switch (x.rows) {
    case 1:
      return Tiles<1>{w, x, y, y_stride}.walk(begin, end);
    case 2:
      return Tiles<2>{w, x, y, y_stride}.walk(begin, end);
    case 3:
      return Tiles<3>{w, x, y, y_stride}.walk(begin, end);
    case 4:
      return Tiles<4>{w, x, y, y_stride}.walk(begin, end);
    default:
      break;
  }
  for (int first = begin; first < end; first += panel) {
    const int last = end - first < panel ? end : first + panel;
    for (int k = 0; k < w.columns; k += block) {
      int m = 0;
      for (; m + 4 <= x.rows; m += 4) Tiles<4>{w, x, y, y_stride}.add_block(m, first, last, k);
      switch (x.rows - m) {
        case 1:
          Tiles<1>{w, x, y, y_stride}.add_block(m, first, last, k);
          break;
        case 2:
          Tiles<2>{w, x, y, y_stride}.add_block(m, first, last, k);
          break;
        case 3:
          Tiles<3>{w, x, y, y_stride}.add_block(m, first, last, k);
          break;
        default:
          break;
      }
    }
  }
}

}  // namespace pome::kernels::dense::avx512bf16
