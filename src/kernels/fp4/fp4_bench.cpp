// Products by 4-bit floats in GB/s of codes and scales read, and GMAC/s; quantization of x included.
#include "kernels/fp4/fp4.h"

#include <benchmark/benchmark.h>

#include <string>

#include "base/thread_pool.h"
#include "kernels/fp4/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

void product(benchmark::State& state, const fp4::Row& row, int group, Precision precision, int rows,
             int threads) {
  const int columns = 2048, n = rows < 16 ? 1 << 16 : 512;
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> random(std::size_t{1} << 27);
    std::mt19937 generator(1);
    for (std::uint8_t& byte : random) byte = static_cast<std::uint8_t>(generator());
    return random;
  }();
  const std::vector<std::uint8_t> scales(static_cast<std::size_t>(n) * columns / 16, 0x38);
  const Fp4Matrix w = {bytes.data(), scales.data(), group, n, columns};
  const std::vector<float> x = gaussian(rows, columns);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(n));
  const ActivationFormat format = fp4::format(precision);
  std::vector<std::byte> memory(activation_bytes(format, rows, columns) + 64);
  const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
  const Activations a = lay_out_activations(format, rows, columns, reinterpret_cast<void*>(address));
  ThreadPool pool(threads);
  for (auto _ : state) {
    for (int m = 0; m < rows; ++m) row.quantize(x.data() + std::int64_t{m} * columns, a, m);
    pool.run(n, 256, [&](std::int64_t begin, std::int64_t end, int) {
      row.multiply(w, a, y.data(), n, static_cast<int>(begin), static_cast<int>(end));
    });
  }
  using benchmark::Counter;
  const double elements = static_cast<double>(n) * columns;
  state.counters["GB/s"] = Counter(elements * (0.5 + 1.0 / group) / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["GMAC/s"] = Counter(elements * rows / 1e9, Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  for (const fp4::Row& row : fp4::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    for (int group : {32, 16}) {
      for (Precision precision : {Precision::standard, Precision::fast}) {
        const std::string name = std::string("fp4/") + (precision == Precision::fast ? "fast/" : "") +
                                 std::string(isa_name(row.isa)) + "/group:" + std::to_string(group);
        for (const auto& [rows, threads] : {std::pair(1, 1), {1, 4}, {4, 1}, {32, 1}, {240, 1}}) {
          const std::string size = "/rows:" + std::to_string(rows) + "/threads:" + std::to_string(threads);
          benchmark::RegisterBenchmark((name + size).c_str(), product, row, group, precision, rows, threads)
              ->UseRealTime();
        }
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
