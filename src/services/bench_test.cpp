#include "services/bench.h"

#include <gtest/gtest.h>

#include "services/bench_kernels.h"
#include "services/memory.h"
#include "services/tiny_model.h"

namespace pome::services {
namespace {

TEST(Bench, MeasuresEveryCombination) {
  TinyLibrary tiny;
  const auto model = tiny.library.open("demo");
  BenchOptions options;
  options.prompt_tokens = {8, 16};
  options.generation_tokens = {4};
  options.depth = {0, 20};
  options.batch = {1, 3};
  options.repetitions = 2;
  options.bandwidth = false;
  int last = 0;
  const BenchReport report = bench(tiny.library, *model, options, [&](int done, int total) {
    EXPECT_EQ(total, 24);
    last = done;
    return true;
  });
  EXPECT_EQ(last, 24);
  ASSERT_EQ(report.results.size(), 8u);
  for (const BenchRow& row : report.results) {
    EXPECT_GT(row.prompt_tps, 0);
    EXPECT_GT(row.generation_tps, 0);
    EXPECT_GE(row.generation_stddev, 0);
    EXPECT_GT(row.step_ms, 0);
    EXPECT_GT(row.read_gbps, 0);
    EXPECT_GE(row.overhead_ms, 0);
    EXPECT_GE(row.cache_bytes, report.results.front().cache_bytes);
    EXPECT_GT(row.peak_memory_bytes, row.anonymous_memory_bytes);
  }
  const Json json = report.to_json();
  EXPECT_EQ(json["results"][3]["depth"], 20);
  EXPECT_EQ(json["results"][3]["batch"], 3);
  EXPECT_GT(json["results"][0]["threads"], 0);
  EXPECT_EQ(json["backend"], "cpu");
}

TEST(Bench, StopsAndRefuses) {
  TinyLibrary tiny;
  const auto model = tiny.library.open("demo");
  BenchOptions options;
  options.prompt_tokens = {8};
  options.generation_tokens = {2};
  options.bandwidth = false;
  EXPECT_EQ(error_of([&] { bench(tiny.library, *model, options, [](int, int) { return false; }); }).kind(),
            ErrorKind::interrupted);
  options.prompt_tokens = {100};
  EXPECT_EQ(error_of([&] { bench(tiny.library, *model, options); }).kind(), ErrorKind::resource);
  options.prompt_tokens = {};
  EXPECT_EQ(error_of([&] { bench(tiny.library, *model, options); }).kind(), ErrorKind::usage);
}

TEST(BenchKernels, TimesWhatTheFilterNames) {
  std::vector<std::string> begun;
  const KernelReport report = bench_kernels("mxfp4", {}, [&](const std::string& name) {
    begun.push_back(name);
    return true;
  });
  EXPECT_EQ(begun, (std::vector<std::string>{"gemv mxfp4 4 bit", "gemm mxfp4 4 bit"}));
  for (const KernelRow& row : report.kernels) EXPECT_GT(row.value, 0) << row.name;
  EXPECT_EQ(report.kernels[0].unit, "GB/s");
  EXPECT_EQ(report.to_json()["kernels"][1]["unit"], "GMAC/s");
  const KernelReport cache = bench_kernels("attention next", {.kv_bits = 4});
  EXPECT_GT(cache.kernels.at(0).value, 0);
  EXPECT_EQ(error_of([] { bench_kernels("gemx", {}); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([] { bench_kernels("rope", {}, [](const std::string&) { return false; }); }).kind(),
            ErrorKind::interrupted);
}

TEST(Bench, ComparesWithReadBandwidthOutsideOfThePeak) {
  TinyLibrary tiny;
  const auto model = tiny.library.open("demo");
  BenchOptions options;
  options.prompt_tokens = {8};
  options.generation_tokens = {4};
  options.repetitions = 1;
  if (!forget_peak_memory()) GTEST_SKIP() << "the peak of memory would count the buffer";
  const BenchReport report = bench(tiny.library, *model, options);
  ASSERT_EQ(report.results.size(), 1u);
  EXPECT_GT(report.results[0].bandwidth_share, 0);
  EXPECT_GT(report.read_bandwidth_gbps, 0);
  EXPECT_LT(report.results[0].peak_memory_bytes, std::uint64_t{256} << 20);
}

TEST(Bench, ReadBandwidthAndPhasesAreNumbers) {
  EXPECT_GT(measure_read_bandwidth(2), 0);
  EXPECT_GT(measure_phase_us(2), 0);
  EXPECT_GT(measure_phase_us(1), 0);
}

}  // namespace
}  // namespace pome::services
