// One choice over a vocabulary of 152 thousand tokens, with the usual settings.
#include "engine/sampler.h"

#include <benchmark/benchmark.h>

#include "engine/logits.h"
#include "engine/random_logits.h"

namespace pome::engine {
namespace {

constexpr std::size_t vocabulary = 151'936;

void run(benchmark::State& state, const SamplingParams& params) {
  auto logits = testing::random_logits(vocabulary, 1);
  logits[777] = 19;  // a model is seldom without an opinion
  Sampler sampler(params, 1);
  const std::vector<std::int32_t> history(200, 3);
  std::uint64_t index = 0;
  for (auto _ : state) benchmark::DoNotOptimize(sampler.sample(logits, history, index++));
}

SamplingParams at_temperature(float temperature) {
  SamplingParams params;
  params.temperature = temperature;
  return params;
}

void greedy(benchmark::State& state) { run(state, {}); }
void temperature_only(benchmark::State& state) { run(state, at_temperature(0.8f)); }
void top_k_40(benchmark::State& state) {
  auto params = at_temperature(0.8f);
  params.top_k = 40;
  run(state, params);
}
void top_p_95(benchmark::State& state) {
  auto params = at_temperature(0.8f);
  params.top_p = 0.95f;
  run(state, params);
}
void min_p_05(benchmark::State& state) {
  auto params = at_temperature(0.8f);
  params.min_p = 0.05f;
  run(state, params);
}
void top_k_top_p_min_p(benchmark::State& state) {
  auto params = at_temperature(0.7f);
  params.top_k = 20;
  params.top_p = 0.8f;
  params.min_p = 0.01f;
  run(state, params);
}
void flat_top_p(benchmark::State& state) {  // the worst case: no token stands out
  auto params = at_temperature(5);
  params.top_p = 0.95f;
  run(state, params);
}
void typical(benchmark::State& state) {
  auto params = at_temperature(0.8f);
  params.typical_p = 0.9f;
  run(state, params);
}
void mirostat(benchmark::State& state) {
  auto params = at_temperature(1);
  params.mirostat = 2;
  run(state, params);
}
void logprobs_20(benchmark::State& state) {
  const auto logits = testing::random_logits(vocabulary, 1);
  for (auto _ : state) benchmark::DoNotOptimize(top_logprobs(logits, 20));
}

BENCHMARK(greedy)->Unit(benchmark::kMicrosecond);
BENCHMARK(temperature_only)->Unit(benchmark::kMicrosecond);
BENCHMARK(top_k_40)->Unit(benchmark::kMicrosecond);
BENCHMARK(top_p_95)->Unit(benchmark::kMicrosecond);
BENCHMARK(min_p_05)->Unit(benchmark::kMicrosecond);
BENCHMARK(top_k_top_p_min_p)->Unit(benchmark::kMicrosecond);
BENCHMARK(flat_top_p)->Unit(benchmark::kMicrosecond);
BENCHMARK(typical)->Unit(benchmark::kMicrosecond);
BENCHMARK(mirostat)->Unit(benchmark::kMicrosecond);
BENCHMARK(logprobs_20)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pome::engine
