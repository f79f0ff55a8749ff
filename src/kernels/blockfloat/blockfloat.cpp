#include "kernels/blockfloat/blockfloat.h"

#include <algorithm>

#include "kernels/blockfloat/levels.h"
#include "kernels/blockfloat/row.h"
#include "kernels/scratch.h"

namespace pome::kernels {
namespace blockfloat {
namespace {

constexpr Row table[] = {
    {Isa::scalar, scalar::quantize, scalar::gemm, nullptr},
#if defined(__x86_64__)
    {Isa::avx2, avx2::quantize, avx2::gemm, nullptr},
    {Isa::avx512vnni, avx512vnni::quantize, avx512vnni::gemm, avx512vnni::gemv},
#elif defined(__aarch64__)
    {Isa::neondot, neondot::quantize, neondot::gemm, nullptr},
#endif
};

// Filling a panel for a few rows of x costs more than walking the weights once for each.
constexpr int smallest_gemm = 3;

// Weights that a walk over several rows of x finds in the second-level cache each time after the first.
constexpr std::int64_t cached_bytes = 128 << 10;

}  // namespace

std::span<const Row> rows() { return table; }

const Row& active_row() {
  static const Row& row = choose_row(rows(), active_isa());
  return row;
}

ActivationFormat activation_format(const Row& row, const BlockFloatMatrix& w, int rows) {
  const bool dwords = row.gemv != nullptr && rows < smallest_gemm;
  ActivationFormat format;
  format.unit = unit;
  format.levels = static_cast<int>(largest_x);
  format.storage = dwords ? Storage::block_dwords : Storage::block_words;
  format.interleave = dwords && w.stored == Stored::bf16 ? 2 : 1;
  format.pairs = !dwords && pairs_pay();
  return format;
}

void multiply(const Row& row, const BlockFloatMatrix& w, const Activations& x, float* y,
              std::int64_t y_stride, int begin, int end) {
  if (x.format.storage == Storage::block_words) {
    thread_local Scratch scratch;
    const std::int64_t panel = panel_bytes(x);
    row.gemm(w, x, y, y_stride, begin, end, scratch.reserve(qmm::panels_at_once(panel) * panel));
    return;
  }
  const std::int64_t row_bytes = std::max<std::int64_t>(1, std::int64_t{w.columns} * stored_bytes(w.stored));
  const int step =
      x.rows == 1 ? end - begin : static_cast<int>(std::max<std::int64_t>(1, cached_bytes / row_bytes));
  for (int n = begin; n < end; n += step) {
    for (int m = 0; m < x.rows; ++m) row.gemv(w, x, m, y + m * y_stride, n, std::min(n + step, end));
  }
}

}  // namespace blockfloat

std::optional<BlockFloatMatrix> block_float_view(const DenseMatrix& matrix) {
  if (matrix.type == Element::f32) return std::nullopt;
  BlockFloatMatrix view;
  view.data = static_cast<const std::uint8_t*>(matrix.data);
  view.stored = matrix.type == Element::f16 ? blockfloat::Stored::f16 : blockfloat::Stored::bf16;
  view.rows = matrix.rows;
  view.columns = matrix.columns;
  return view;
}

std::optional<BlockFloatMatrix> block_float_view(const ModeMatrix& matrix) {
  if (matrix.mode->name != "mxfp8" || matrix.group != blockfloat::unit) return std::nullopt;
  return BlockFloatMatrix{reinterpret_cast<const std::uint8_t*>(matrix.codes),
                          reinterpret_cast<const std::uint8_t*>(matrix.scales), blockfloat::Stored::e4m3,
                          matrix.rows, matrix.columns};
}

std::optional<ActivationFormat> activation_format(const BlockFloatMatrix& w, int rows) {
  constexpr int few_outputs = 512;
  if (w.rows <= few_outputs) return std::nullopt;
  return blockfloat::activation_format(blockfloat::active_row(), w, rows);
}

void multiply(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  blockfloat::multiply(blockfloat::active_row(), w, x, y, y_stride, begin, end);
}

}  // namespace pome::kernels
