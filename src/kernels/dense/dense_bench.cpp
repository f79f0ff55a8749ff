// GEMV of stored floats in GB/s of weights read, GEMM in GMAC/s; the same for 4-bit weights decoded on the
// way.
#include "kernels/dense/dense.h"

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/dense/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

template <class Weights, class View>
void run(benchmark::State& state, const dense::Row& row, const Weights& w, const View& view, int rows) {
  const int n = w.matrix.rows, k = w.matrix.columns;
  const std::vector<float> x = gaussian(rows, k);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(n));
  for (auto _ : state) dense::multiply(row, view, x.data(), k, rows, y.data(), n, 0, n);
  using benchmark::Counter;
  if (rows == 1) {
    const double bytes = static_cast<double>(n) * k * element_bytes(Element::bf16);
    state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
  } else {
    const double products = static_cast<double>(rows) * n * k;
    state.counters["GMAC/s"] = Counter(products / 1e9, Counter::kIsIterationInvariantRate);
  }
}

// Built once: the library calls a benchmark several times.
void gemv(benchmark::State& state, const dense::Row& row) {
  static const RandomDense w(1 << 14, 2048, Element::bf16);
  run(state, row, w, w.matrix, 1);
}

void stored(benchmark::State& state, const dense::Row& row, int rows) {
  static const RandomDense w(512, 2048, Element::bf16);
  run(state, row, w, w.matrix, rows);
}

void quantized(benchmark::State& state, const dense::Row& row, int rows) {
  static const RandomQuantized w(512, 2048, 4, 64, Element::bf16);
  run(state, row, w, decoded(w.matrix), rows);
}

// Whole products by bfloat16, rounding of x included.
void bf16(benchmark::State& state, const dense::Bf16Row& row, int rows) {
  static const RandomDense large(1 << 14, 2048, Element::bf16), small(512, 2048, Element::bf16);
  const DenseMatrix& w = rows < 16 ? large.matrix : small.matrix;
  const std::vector<float> x = gaussian(rows, w.columns);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(w.rows));
  const ActivationFormat format = dense::bf16_format;
  std::vector<std::byte> memory(activation_bytes(format, rows, w.columns) + 64);
  const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
  const Activations a = lay_out_activations(format, rows, w.columns, reinterpret_cast<void*>(address));
  for (auto _ : state) {
    for (int m = 0; m < rows; ++m) row.round(x.data() + std::int64_t{m} * w.columns, a, m);
    row.multiply(w, a, y.data(), w.rows, 0, w.rows);
  }
  using benchmark::Counter;
  const double elements = static_cast<double>(w.rows) * w.columns;
  state.counters["GB/s"] = Counter(elements * 2 / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["GMAC/s"] = Counter(elements * rows / 1e9, Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  for (const dense::Bf16Row& row : dense::bf16_rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    for (int rows : {1, 2, 4, 8, 32, 240}) {
      const std::string name =
          "dense/bf16/" + std::string(isa_name(row.isa)) + "/rows:" + std::to_string(rows);
      benchmark::RegisterBenchmark(name.c_str(), bf16, row, rows);
    }
  }
  for (const dense::Row& row : dense::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    const std::string isa(isa_name(row.isa));
    benchmark::RegisterBenchmark(("dense/gemv/" + isa + "/bf16").c_str(), gemv, row);
    for (int rows : {4, 8, 32, 240}) {
      const std::string suffix = isa + "/rows:" + std::to_string(rows);
      benchmark::RegisterBenchmark(("dense/gemm/bf16/" + suffix).c_str(), stored, row, rows);
      benchmark::RegisterBenchmark(("dense/gemm/exact_4bit/" + suffix).c_str(), quantized, row, rows);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
