#include "kernels/dense/dense.h"

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/blockfloat/blockfloat.h"
#include "kernels/dense/row.h"

namespace pome::kernels {
namespace dense {
namespace {

constexpr Bf16Row bf16_table[] = {
#if defined(__aarch64__)
    {Isa::scalar, scalar::round, scalar::multiply_twos},
    {Isa::neonbf16, neonbf16::round, neonbf16::multiply},
#else
    {Isa::scalar, scalar::round, scalar::multiply},
#if defined(__x86_64__)
    {Isa::avx512bf16, avx512bf16::round, avx512bf16::multiply},
#endif
#endif
};

const Bf16Row& active_bf16_row() {
  static const Bf16Row& row = choose_row(bf16_rows(), active_isa());
  return row;
}

constexpr Row table[] = {
    {Isa::scalar, scalar::add_panel, scalar::gemv},
#if defined(__x86_64__)
    {Isa::avx2, avx2::add_panel, avx2::gemv},
    {Isa::avx512vnni, avx512vnni::add_panel, avx512vnni::gemv},
#elif defined(__aarch64__)
    {Isa::neondot, neondot::add_panel, neondot::gemv},
#endif
};

const Row& active_row() {
  static const Row& row = choose_row(rows(), active_isa());
  return row;
}

// Below it, walking stored floats once per row of x beats decoding them to a panel first.
constexpr int smallest_panel = 3;

}  // namespace

std::span<const Row> rows() { return table; }
std::span<const Bf16Row> bf16_rows() { return bf16_table; }

void multiply(const Row& row, const DecodedMatrix& w, const float* x, std::int64_t x_stride, int rows,
              float* y, std::int64_t y_stride, int begin, int end) {
  alignas(64) float panel[panel_rows * panel_stride];
  for (int n = begin; n < end; n += panel_rows) {
    const int columns = std::min(panel_rows, end - n);
    for (int m = 0; m < rows; ++m) std::fill_n(y + m * y_stride + n, columns, 0.0f);
    for (int k = 0; k < w.columns; k += block) {
      const int count = std::min(block, w.columns - k);
      for (int i = 0; i < columns; ++i) {
        float* to = panel + i * panel_stride;
        w.decode(w.matrix, n + i, k, count, to);
        std::fill(to + count, to + (count + 15) / 16 * 16, 0.0f);
      }
      row.add_panel({panel, panel_stride, columns, count}, x + k, x_stride, rows, y + n, y_stride);
    }
  }
}

void multiply(const Row& row, const DenseMatrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end) {
  if (rows >= smallest_panel) {
    multiply(row, decoded(w), x, x_stride, rows, y, y_stride, begin, end);
    return;
  }
  constexpr int step = 16;  // rows of W that stay in cache from one row of x to the next
  for (int n = begin; n < end; n += step) {
    for (int m = 0; m < rows; ++m)
      row.gemv(w, x + m * x_stride, y + m * y_stride, n, std::min(n + step, end));
  }
}

}  // namespace dense

namespace {

template <class Matrix>
DecodedMatrix decoded_view(const Matrix& matrix) {
  const auto decode = [](const void* from, int row, int begin, int count, float* out) {
    decode_row(*static_cast<const Matrix*>(from), row, begin, count, out);
  };
  return {decode, &matrix, matrix.rows, matrix.columns};
}

template <class Matrix>
void multiply_on(ThreadPool& pool, const Matrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
                 std::int64_t y_stride) {
  pool.run(w.rows, dense::panel_rows, [&](std::int64_t begin, std::int64_t end, int) {
    multiply(w, x, x_stride, rows, y, y_stride, static_cast<int>(begin), static_cast<int>(end));
  });
}

}  // namespace

DecodedMatrix decoded(const QuantizedMatrix& matrix) { return decoded_view(matrix); }
DecodedMatrix decoded(const DenseMatrix& matrix) { return decoded_view(matrix); }

void multiply(const DecodedMatrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end) {
  dense::multiply(dense::active_row(), w, x, x_stride, rows, y, y_stride, begin, end);
}

void multiply(const DenseMatrix& w, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end) {
  dense::multiply(dense::active_row(), w, x, x_stride, rows, y, y_stride, begin, end);
}

std::optional<ActivationFormat> activation_format(const DenseMatrix& w, Precision precision, int rows) {
  const bool rounds = precision == Precision::fast && dense::active_bf16_row().isa != Isa::scalar;
  if (rounds && w.type == Element::bf16) return dense::bf16_format;
  const auto view = block_float_view(w);
  return view ? activation_format(*view, rows) : std::nullopt;
}

void round_activations(const float* x, std::int64_t x_stride, const Activations& to, int begin, int end) {
  for (int m = begin; m < end; ++m) dense::active_bf16_row().round(x + m * x_stride, to, m);
}

void multiply(const DenseMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  if (x.format.storage == Storage::bf16) {
    return dense::active_bf16_row().multiply(w, x, y, y_stride, begin, end);
  }
  multiply(*block_float_view(w), x, y, y_stride, begin, end);
}

void multiply(ThreadPool& pool, const DecodedMatrix& w, const float* x, std::int64_t x_stride, int rows,
              float* y, std::int64_t y_stride) {
  multiply_on(pool, w, x, x_stride, rows, y, y_stride);
}

void multiply(ThreadPool& pool, const DenseMatrix& w, const float* x, std::int64_t x_stride, int rows,
              float* y, std::int64_t y_stride) {
  multiply_on(pool, w, x, x_stride, rows, y, y_stride);
}

}  // namespace pome::kernels
