// One pass over 151,936 logits each.
#include "kernels/select/select.h"

#include <benchmark/benchmark.h>

#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

constexpr int vocabulary = 151936;

void find_largest(benchmark::State& state) {
  const std::vector<float> x = gaussian(1, vocabulary);
  for (auto _ : state) benchmark::DoNotOptimize(largest(x.data(), vocabulary));
}
BENCHMARK(find_largest)->Name("select/largest");

void find_near(benchmark::State& state) {
  const std::vector<float> x = gaussian(1, vocabulary);
  std::vector<std::int32_t> out(vocabulary);
  for (auto _ : state)
    benchmark::DoNotOptimize(indices_at_least(x.data(), vocabulary, 3.0f, out.data(), vocabulary));
}
BENCHMARK(find_near)->Name("select/indices_at_least");

void sum_all(benchmark::State& state) {
  const std::vector<float> x = gaussian(1, vocabulary);
  for (auto _ : state) benchmark::DoNotOptimize(sum_exp(x.data(), vocabulary, 4.0f, 1.0f));
}
BENCHMARK(sum_all)->Name("select/sum_exp");

}  // namespace
}  // namespace pome::kernels
