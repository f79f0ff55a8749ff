// Products by stored floats as integers, in GB/s of weights read and GMAC/s; quantization of x included.
#include "kernels/blockfloat/blockfloat.h"

#include <benchmark/benchmark.h>

#include <string>

#include "base/thread_pool.h"
#include "kernels/blockfloat/levels.h"
#include "kernels/blockfloat/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using blockfloat::Stored;

void product(benchmark::State& state, const blockfloat::Row& row, Stored stored, int rows, int threads) {
  const int columns = 2048, n = rows < 16 ? 1 << 15 : 512;
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> random(std::size_t{1} << 27);
    std::mt19937 generator(1);
    // No exponents of all ones.
    for (std::uint8_t& byte : random) byte = static_cast<std::uint8_t>(generator() & 0xbb);
    return random;
  }();
  const std::vector<std::uint8_t> scales(static_cast<std::size_t>(n) * columns / 32, 0x7f);
  const BlockFloatMatrix w = {bytes.data(), scales.data(), stored, n, columns};
  const std::vector<float> x = gaussian(rows, columns);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(n));
  const ActivationFormat format = activation_format(row, w, rows);
  std::vector<std::byte> memory(activation_bytes(format, rows, columns) + 64);
  const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
  const Activations a = lay_out_activations(format, rows, columns, reinterpret_cast<void*>(address));
  ThreadPool pool(threads);
  for (auto _ : state) {
    for (int m = 0; m < rows; ++m) row.quantize(x.data() + std::int64_t{m} * columns, a, m);
    pool.run(n, 128, [&](std::int64_t begin, std::int64_t end, int) {
      blockfloat::multiply(row, w, a, y.data(), n, static_cast<int>(begin), static_cast<int>(end));
    });
  }
  using benchmark::Counter;
  const double elements = static_cast<double>(n) * columns;
  const double bytes_each = blockfloat::stored_bytes(stored) + (stored == Stored::e4m3 ? 1.0 / 32 : 0);
  state.counters["GB/s"] = Counter(elements * bytes_each / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["GMAC/s"] = Counter(elements * rows / 1e9, Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  for (const blockfloat::Row& row : blockfloat::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    for (const auto& [stored, name] :
         {std::pair(Stored::bf16, "bf16"), {Stored::f16, "f16"}, {Stored::e4m3, "mxfp8"}}) {
      const std::string isa(isa_name(row.isa));
      for (const auto& [rows, threads] :
           {std::pair(1, 1), {1, 4}, {2, 1}, {4, 1}, {8, 1}, {32, 1}, {512, 1}}) {
        const std::string size = "/rows:" + std::to_string(rows) + "/threads:" + std::to_string(threads);
        benchmark::RegisterBenchmark(("blockfloat/" + isa + "/" + name + size).c_str(), product, row, stored,
                                     rows, threads)
            ->UseRealTime();
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
