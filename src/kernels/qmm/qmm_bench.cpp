// GEMV in GB/s of weights read, beside a plain read of the same bytes; GEMM in GMAC/s.
#include "kernels/qmm/qmm.h"

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/qmm/row.h"

namespace pome::kernels {
namespace {

constexpr std::size_t page = 2 << 20;

struct Free {
  void operator()(std::uint8_t* p) const { std::free(p); }
};
using Bytes = std::unique_ptr<std::uint8_t, Free>;

Bytes random_bytes(std::size_t size) {
  size = (size + page - 1) / page * page;
  Bytes bytes(static_cast<std::uint8_t*>(std::aligned_alloc(page, size)));
#ifdef MADV_HUGEPAGE  // as the page cache holds a file that was written in one go
  madvise(bytes.get(), size, MADV_HUGEPAGE);
#endif
  std::uint64_t state = 1;
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    *reinterpret_cast<std::uint64_t*>(bytes.get() + i) = state ^ state >> 29;
  }
  return bytes;
}

struct Problem {
  Bytes codes, scales, biases, memory;
  QuantizedMatrix w;
  Activations x;
  std::vector<float> dense, y;

  Problem(int rows, int n, int k, int bits, int group, const qmm::Row* row = nullptr,
          Precision precision = Precision::standard) {
    const std::size_t elements = static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
    const std::size_t groups = elements / static_cast<std::size_t>(group);
    codes = random_bytes(elements / 8 * static_cast<std::size_t>(bits));
    scales = random_bytes(2 * groups);
    biases = random_bytes(2 * groups);
    for (std::size_t i = 0; i < groups; ++i) {  // bfloat16 near 0.01
      reinterpret_cast<std::uint16_t*>(scales.get())[i] = static_cast<std::uint16_t>(0x3c20 + i % 8);
      reinterpret_cast<std::uint16_t*>(biases.get())[i] = static_cast<std::uint16_t>(0xbda0 + i % 8);
    }
    w = {codes.get(), scales.get(), biases.get(), Element::bf16, bits, group, n, k};
    const ActivationFormat format = row == nullptr ? activation_format(w, precision, rows)
                                                   : qmm::activation_format(*row, w, precision, rows);
    memory = random_bytes(activation_bytes(format, rows, k));
    x = lay_out_activations(format, rows, k, memory.get());
    dense.assign(static_cast<std::size_t>(rows) * static_cast<std::size_t>(k), 0.5f);
    for (std::size_t i = 0; i < dense.size(); ++i) dense[i] = static_cast<float>(i * 37 % 101) - 50;
    y.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(n));
  }

  double bytes() const { return static_cast<double>(w.rows) * w.columns * (w.bits / 8.0 + 4.0 / w.group); }
};

double rate(double amount) { return amount / 1e9; }

void read(benchmark::State& state, int threads) {
  constexpr std::size_t size = 256 << 20;
  const Bytes bytes = random_bytes(size);
  ThreadPool pool(threads);
  for (auto _ : state) {
    std::atomic<std::uint64_t> total = 0;
    pool.run(size >> 16, 1, [&](std::int64_t begin, std::int64_t end, int) {
      const auto* p = reinterpret_cast<const std::uint64_t*>(bytes.get()) + (begin << 13);
      std::uint64_t sums[16] = {};
      for (std::int64_t i = 0; i < (end - begin) << 13; i += 16) {
        __builtin_prefetch(p + i + 512);
        __builtin_prefetch(p + i + 520);
        for (int l = 0; l < 16; ++l) sums[l] += p[i + l];
      }
      for (const std::uint64_t sum : sums) total += sum;
    });
    benchmark::DoNotOptimize(total.load());
  }
  state.counters["GB/s"] = benchmark::Counter(rate(size), benchmark::Counter::kIsIterationInvariantRate);
}

void gemv(benchmark::State& state, const qmm::Row& row, Precision precision, int bits, int group, int n,
          int k, int threads) {
  Problem p(1, n, k, bits, group, &row, precision);
  ThreadPool pool(threads);
  qmm::quantize(row, p.dense.data(), p.w.columns, p.x, 0, 1);
  for (auto _ : state) {
    pool.run(n, 64, [&](std::int64_t begin, std::int64_t end, int) {
      qmm::multiply(row, p.w, p.x, p.y.data(), n, static_cast<int>(begin), static_cast<int>(end));
    });
  }
  state.counters["GB/s"] = benchmark::Counter(rate(p.bytes()), benchmark::Counter::kIsIterationInvariantRate);
}

void quantize(benchmark::State& state, const qmm::Row& row, int bits) {
  Problem p(1, 64, 4096, bits, 64, &row);
  for (auto _ : state) qmm::quantize(row, p.dense.data(), p.w.columns, p.x, 0, 1);
  state.counters["GB/s"] =
      benchmark::Counter(rate(4.0 * p.w.columns), benchmark::Counter::kIsIterationInvariantRate);
}

void gemm(benchmark::State& state, const qmm::Row& row, Precision precision, int bits, int rows) {
  constexpr int n = 2048, k = 2048;
  Problem p(rows, n, k, bits, 64, &row, precision);
  for (auto _ : state) {
    qmm::quantize(row, p.dense.data(), k, p.x, 0, rows);
    qmm::multiply(row, p.w, p.x, p.y.data(), n, 0, n);
  }
  state.counters["GMAC/s"] = benchmark::Counter(rate(static_cast<double>(rows) * n * k),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

// A batch that decodes, weights from memory.
void gemm_from_memory(benchmark::State& state, const qmm::Row& row, Precision precision, int rows,
                      int threads) {
  constexpr int n = 1 << 17, k = 1024;
  Problem p(rows, n, k, 4, 64, &row, precision);
  ThreadPool pool(threads);
  qmm::quantize(row, p.dense.data(), k, p.x, 0, rows);
  for (auto _ : state) {
    pool.run(n, 256, [&](std::int64_t begin, std::int64_t end, int) {
      qmm::multiply(row, p.w, p.x, p.y.data(), n, static_cast<int>(begin), static_cast<int>(end));
    });
  }
  state.counters["GMAC/s"] = benchmark::Counter(rate(static_cast<double>(rows) * n * k),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  for (int threads : {1, 4}) {
    benchmark::RegisterBenchmark(("read/threads:" + std::to_string(threads)).c_str(), read, threads)
        ->UseRealTime();
  }
  for (const qmm::Row& row : qmm::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    const std::string isa(isa_name(row.isa));
    for (Precision precision : {Precision::standard, Precision::fast}) {
      for (int bits : {4, 2, 3, 6, 8}) {
        const std::string name =
            (precision == Precision::fast ? "gemv_fast/" : "gemv/") + isa + "/bits:" + std::to_string(bits);
        benchmark::RegisterBenchmark((name + "/L2").c_str(), gemv, row, precision, bits, 64, 256, 2048, 1)
            ->UseRealTime();
        // Nine units: no whole block.
        benchmark::RegisterBenchmark((name + "/L2/columns:576").c_str(), gemv, row, precision, bits, 64, 1024,
                                     576, 1)
            ->UseRealTime();
        for (int threads : {1, 4}) {
          benchmark::RegisterBenchmark((name + "/threads:" + std::to_string(threads)).c_str(), gemv, row,
                                       precision, bits, 64, 1 << 17, 2048, threads)
              ->UseRealTime();
        }
      }
    }
    for (int rows : {8, 16}) {
      for (int threads : {1, 4}) {
        const std::string name = "gemm_from_memory/" + isa + "/rows:" + std::to_string(rows) +
                                 "/threads:" + std::to_string(threads);
        benchmark::RegisterBenchmark(name.c_str(), gemm_from_memory, row, Precision::standard, rows, threads)
            ->UseRealTime();
      }
    }
    for (int bits : {4, 3}) {
      benchmark::RegisterBenchmark(("quantize/" + isa + "/bits:" + std::to_string(bits)).c_str(), quantize,
                                   row, bits);
      for (Precision precision : {Precision::standard, Precision::fast}) {
        const std::string kind = precision == Precision::fast ? "gemm_fast/" : "gemm/";
        for (int rows : {4, 8, 16, 32, 240}) {
          const std::string name =
              kind + isa + "/bits:" + std::to_string(bits) + "/rows:" + std::to_string(rows);
          benchmark::RegisterBenchmark(name.c_str(), gemm, row, precision, bits, rows);
        }
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
