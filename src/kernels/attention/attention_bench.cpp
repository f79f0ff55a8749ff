// A next token at some depth in GB/s of cache read, and a prompt in GMAC/s (scores and weighted values of
// visible pairs). 16 heads over 8 kv heads of 128, 16-bit cache.
#include "kernels/attention/attention.h"

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/attention/levels.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

constexpr int heads = 16, kv_heads = 8, head_dim = 128, width = heads * head_dim;

struct Sequence {
  std::vector<std::int16_t> keys, values;
  std::vector<float> steps;
  std::vector<const void*> key_blocks, value_blocks, step_blocks;
  AttentionSpec spec;
  KeyValues cache;

  explicit Sequence(int length) {
    constexpr int block = 256;
    const int blocks = (length + block - 1) / block;
    const std::size_t block_elements = std::size_t{block} * kv_heads * head_dim;
    keys.resize(block_elements * static_cast<std::size_t>(blocks));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::int16_t>(i * 7 % 8191 - 4095);
    values = keys;
    steps.assign(std::size_t{block} * kv_heads, 3e-4f);
    for (int b = 0; b < blocks; ++b) {
      key_blocks.push_back(keys.data() + block_elements * static_cast<std::size_t>(b));
      step_blocks.push_back(steps.data());
      value_blocks.push_back(values.data() + block_elements * static_cast<std::size_t>(b));
    }
    spec.heads = heads;
    spec.kv_heads = kv_heads;
    spec.head_dim = head_dim;
    spec.scale = 0.088f;
    cache = {key_blocks.data(),
             value_blocks.data(),
             step_blocks.data(),
             step_blocks.data(),
             CacheType::i16,
             block,
             std::int64_t{block} * head_dim,
             head_dim};
  }
};

void attend_all(benchmark::State& state, const attention::Functions& functions, int rows, int length) {
  const Sequence sequence(length);
  const std::vector<float> q = gaussian(rows, width);
  std::vector<float> out(q.size());
  const AttentionRows work = {q.data(), width, out.data(), width, rows, length - rows, length};
  for (auto _ : state) {
    for (int unit = 0; unit < attention_units(sequence.spec, work); ++unit) {
      attention::attend(functions, sequence.spec, sequence.cache, work, unit);
    }
  }
  using benchmark::Counter;
  const double pairs = static_cast<double>(rows) * (length - (rows - 1) / 2.0);
  if (rows == 1) {
    const double bytes = 4.0 * length * kv_heads * head_dim;
    state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
  } else {
    state.counters["GMAC/s"] = Counter(2 * pairs * width / 1e9, Counter::kIsIterationInvariantRate);
  }
}

const int registered = [] {
  for (const attention::Row& row : attention::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    const std::string isa(isa_name(row.isa));
    for (int depth : {1024, 8192}) {
      const std::string name = "attention/next/" + isa + "/depth:" + std::to_string(depth);
      benchmark::RegisterBenchmark(name.c_str(), attend_all, *row.functions, 1, depth);
    }
    benchmark::RegisterBenchmark(("attention/prompt/" + isa + "/rows:512").c_str(), attend_all,
                                 *row.functions, 512, 512);
    benchmark::RegisterBenchmark(("attention/prompt/" + isa + "/rows:256/depth:4096").c_str(), attend_all,
                                 *row.functions, 256, 4096);
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
