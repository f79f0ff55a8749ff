#include "kernels/qmm/qmm.h"

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/blockfloat/row.h"
#include "kernels/dense/dense.h"
#include "kernels/fp4/levels.h"
#include "kernels/fp4/row.h"
#include "kernels/qmm/layout.h"
#include "kernels/qmm/levels.h"
#include "kernels/qmm/row.h"
#include "kernels/scratch.h"

namespace pome::kernels {
namespace qmm {
namespace {

constexpr Row table[] = {
    {Isa::scalar, Storage::words, Storage::words, Storage::words, Storage::words, 1, false, scalar::quantize,
     scalar::gemv, scalar::gemm},
#if defined(__x86_64__)
    {Isa::avx2, Storage::words, Storage::words, Storage::words, Storage::words, 16, false, avx2::quantize,
     avx2::gemv, avx2::gemm},
    {Isa::avxvnni, Storage::words, Storage::words, Storage::words, Storage::words, 16, false,
     avxvnni::quantize, avxvnni::gemv, avxvnni::gemm},
    {Isa::avx512vl, Storage::words, Storage::words, Storage::words, Storage::words, 16, false,
     avx512vl::quantize, avx512vl::gemv, avx512vl::gemm},
    {Isa::avx512vnni, Storage::planes, Storage::bytes, Storage::unit_words, Storage::unit_bytes, 32, true,
     avx512vnni::quantize, avx512vnni::gemv, avx512vnni::gemm},
    {Isa::amx, Storage::planes, Storage::bytes, Storage::unit_split, Storage::unit_bytes, 32, false,
     avx512vnni::quantize, avx512vnni::gemv, amx::gemm},
#elif defined(__aarch64__)
    {Isa::neondot, Storage::planes, Storage::bytes, Storage::planes, Storage::bytes, 8, false,
     neondot::quantize, neondot::gemv, neondot::gemm},
    {Isa::neoni8mm, Storage::planes, Storage::bytes, Storage::unit_planes, Storage::unit_bytes, 8, false,
     neoni8mm::quantize, neoni8mm::gemv, neoni8mm::gemm},
#endif
};

const Row& active_row() {
  static const Row& row = choose_row(rows(), active_isa());
  return row;
}

// Unpacking a panel for a few rows of x costs more than walking the weights once for each.
constexpr int smallest_gemm(bool fast) { return fast ? 3 : 4; }

// Codes that a walk over several rows of x finds in the second-level cache each time after the first.
constexpr std::int64_t cached_bytes = 128 << 10;

}  // namespace

std::span<const Row> rows() { return table; }

ActivationFormat activation_format(const Row& row, const QuantizedMatrix& matrix, Precision precision,
                                   int rows) {
  const bool fast = precision == Precision::fast, several = rows >= smallest_gemm(fast);
  ActivationFormat format;
  format.unit = std::min(matrix.group, 64);
  format.storage = several ? (fast ? row.rows_fast : row.rows_standard) : fast ? row.fast : row.standard;
  // 32639 = 127·256 + 127: both planes are signed bytes. 120: the sum with a code fits a byte.
  format.levels = fast ? (matrix.bits <= 4 ? 120 : 127) : 32639;
  if (unit_by_unit(format.storage)) {
    format.interleave = unit_interleave(matrix.bits, format.storage != Storage::unit_words);
    format.pairs = row.pairs && pairs_pay() && matrix.bits <= (fast ? 4 : 6);
  } else {
    format.interleave = interleave_of(matrix.bits, format.storage != Storage::words);
  }
  return format;
}

void quantize(const Row& row, const float* x, std::int64_t x_stride, const Activations& to, int begin,
              int end) {
  for (int m = begin; m < end; ++m) row.quantize(x + m * x_stride, to, m);
}

void multiply(const Row& row, const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride,
              int begin, int end) {
  const bool gemm_reads_it = x.format.storage == row.rows_standard || x.format.storage == row.rows_fast;
  if (unit_by_unit(x.format.storage) || (gemm_reads_it && x.rows >= smallest_gemm(x.format.levels < 128))) {
    thread_local Scratch scratch;
    const bool words = x.format.storage == Storage::words || x.format.storage == Storage::unit_words;
    const std::int64_t panel = panel_bytes(row.panel_rows, x, !words);
    row.gemm(w, x, y, y_stride, begin, end, scratch.reserve(panels_at_once(panel) * panel));
    return;
  }
  const std::int64_t row_bytes = std::max<std::int64_t>(1, static_cast<std::int64_t>(w.columns) * w.bits / 8);
  const int step =
      x.rows == 1 ? end - begin : static_cast<int>(std::max<std::int64_t>(1, cached_bytes / row_bytes));
  for (int n = begin; n < end; n += step) {
    for (int m = 0; m < x.rows; ++m) row.gemv(w, x, m, y + m * y_stride, n, std::min(n + step, end));
  }
}

}  // namespace qmm

void check(const QuantizedMatrix& matrix) {
  const auto one_of = [](int value, std::initializer_list<int> values) {
    return std::find(values.begin(), values.end(), value) != values.end();
  };
  if (!one_of(matrix.bits, {2, 3, 4, 5, 6, 8}) || !one_of(matrix.group, {32, 64, 128})) {
    fail(ErrorKind::unsupported,
         "affine quantization with {} bits in groups of {} has no kernel, bits are 2, 3, 4, 5, 6 or 8 and "
         "groups 32, "
         "64 or 128",
         matrix.bits, matrix.group);
  }
  if (matrix.rows < 0 || matrix.columns <= 0 || matrix.columns % matrix.group != 0) {
    fail(ErrorKind::internal, "quantized matrix [{}, {}] does not consist of groups of {}", matrix.rows,
         matrix.columns, matrix.group);
  }
}

ActivationFormat activation_format(const QuantizedMatrix& matrix, Precision precision, int rows) {
  return qmm::activation_format(qmm::active_row(), matrix, precision, rows);
}

namespace {

struct Extents {
  std::int64_t units;
  std::int64_t stride;
  std::int64_t q_bytes;
  std::int64_t scale_bytes;
};

Extents extents(const ActivationFormat& format, int rows, int columns) {
  constexpr std::int64_t alignment = 64;
  const auto aligned = [](std::int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  const std::int64_t block = std::int64_t{qmm::units_per_block} * format.unit;
  const std::int64_t blocks = (columns + block - 1) / block;
  Extents e;
  e.units = blocks * qmm::units_per_block;
  // An odd number of cache lines from row to row: with a power of two all rows of a tile would share few sets
  // of the first-level cache.
  const int size = format.element_bytes();
  e.stride = blocks * block + alignment / size;
  e.q_bytes = aligned(rows * e.stride * size);
  e.scale_bytes = format.integers() ? aligned(rows * e.units * 4) : 0;
  return e;
}

}  // namespace

std::size_t activation_bytes(const ActivationFormat& format, int rows, int columns) {
  const Extents e = extents(format, rows, columns);
  return static_cast<std::size_t>(e.q_bytes + (has_pair_products(format.storage) ? 3 : 2) * e.scale_bytes);
}

Activations lay_out_activations(const ActivationFormat& format, int rows, int columns, void* memory) {
  const Extents e = extents(format, rows, columns);
  auto* bytes = static_cast<std::uint8_t*>(memory);
  Activations to;
  to.format = format;
  to.rows = rows;
  to.columns = columns;
  to.units = static_cast<int>(e.units);
  to.stride = e.stride;
  to.q = bytes;
  to.scale = reinterpret_cast<float*>(bytes + e.q_bytes);
  to.sum = reinterpret_cast<float*>(bytes + e.q_bytes + e.scale_bytes);
  if (has_pair_products(format.storage)) {
    to.pair_products = reinterpret_cast<std::int32_t*>(bytes + e.q_bytes + 2 * e.scale_bytes);
  }
  return to;
}

Activations slice(const Activations& x, int begin, int end) {
  Activations part = x;
  part.rows = end - begin;
  part.q = static_cast<std::uint8_t*>(x.q) + begin * x.stride * x.format.element_bytes();
  part.scale += std::int64_t{begin} * x.units;
  part.sum += std::int64_t{begin} * x.units;
  if (part.pair_products != nullptr) part.pair_products += std::int64_t{begin} * x.units;
  return part;
}

void quantize_activations(const float* x, std::int64_t x_stride, const Activations& to, int begin, int end) {
  if (!to.format.integers()) return round_activations(x, x_stride, to, begin, end);
  if (to.format.storage == Storage::fp4_bytes || to.format.storage == Storage::fp4_planes) {
    for (int m = begin; m < end; ++m) fp4::active_row().quantize(x + m * x_stride, to, m);
    return;
  }
  if (to.format.storage == Storage::block_words || to.format.storage == Storage::block_dwords) {
    for (int m = begin; m < end; ++m) blockfloat::active_row().quantize(x + m * x_stride, to, m);
    return;
  }
  qmm::quantize(qmm::active_row(), x, x_stride, to, begin, end);
}

int columns_together(const ActivationFormat& format) {
  switch (format.storage) {
    case Storage::words:
      return 256;  // levels of 256 bits deal words out by so many
    case Storage::bytes:
    case Storage::planes:
      return format.unit;
    case Storage::fp4_bytes:
    case Storage::fp4_planes:
      return fp4::chunk;
    default:
      return 0;
  }
}

void quantize_columns(const float* x, const Activations& to, int row, int begin, int end) {
  qmm::for_each_part(slice(to, row, row + 1), begin, end, [&](const Activations& part, int first) {
    quantize_activations(x + (std::min(first, end) - begin), 0, part, 0, 1);
  });
}

void multiply(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
              int end) {
  qmm::multiply(qmm::active_row(), w, x, y, y_stride, begin, end);
}

void quantize_activations(ThreadPool& pool, const float* x, std::int64_t x_stride, const Activations& to) {
  pool.run(to.rows, 4, [&](std::int64_t begin, std::int64_t end, int) {
    quantize_activations(x, x_stride, to, static_cast<int>(begin), static_cast<int>(end));
  });
}

void multiply(ThreadPool& pool, const QuantizedMatrix& w, const Activations& x, float* y,
              std::int64_t y_stride) {
  // Chunks of whole panels, some 64 KiB of codes each where that leaves every thread a few of them.
  constexpr std::int64_t panel = 32;
  const std::int64_t row_bytes = static_cast<std::int64_t>(w.columns) * w.bits / 8;
  const std::int64_t by_bytes = (64 << 10) / std::max<std::int64_t>(row_bytes, 1);
  const std::int64_t by_threads = w.rows / (4 * pool.size());
  const std::int64_t chunk = std::max(panel, std::min(by_bytes, by_threads) / panel * panel);
  pool.run(w.rows, chunk, [&](std::int64_t begin, std::int64_t end, int) {
    multiply(w, x, y, y_stride, static_cast<int>(begin), static_cast<int>(end));
  });
}

}  // namespace pome::kernels
