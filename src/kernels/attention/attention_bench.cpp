// A next token at some depth in GB/s of cache read, and a prompt in GMAC/s (scores and weighted values of
// visible pairs). 16 heads over 8 kv heads of 128, cache of 16 or 8
// bits.
#include "kernels/attention/attention.h"

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/attention/levels.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

constexpr int heads = 16, kv_heads = 8, head_dim = 128, width = heads * head_dim;

struct Sequence {
  std::vector<std::uint8_t> keys, values;  // codes, whatever they are
  std::vector<float> steps;
  std::vector<const void*> key_blocks, value_blocks, step_blocks;
  AttentionSpec spec;
  KeyValues cache;

  Sequence(int length, CacheType type) {
    constexpr int block = 256;
    const int blocks = (length + block - 1) / block;
    const std::size_t block_bytes = block * kv_heads * vector_bytes(type, head_dim);
    keys.resize(block_bytes * static_cast<std::size_t>(blocks));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::uint8_t>(i * 7 % 31);
    values = keys;
    steps.assign(std::size_t{block} * kv_heads, 3e-4f);
    for (int b = 0; b < blocks; ++b) {
      key_blocks.push_back(keys.data() + block_bytes * static_cast<std::size_t>(b));
      step_blocks.push_back(steps.data());
      value_blocks.push_back(values.data() + block_bytes * static_cast<std::size_t>(b));
    }
    spec.heads = heads;
    spec.kv_heads = kv_heads;
    spec.head_dim = head_dim;
    spec.scale = 0.088f;
    cache = {key_blocks.data(),
             value_blocks.data(),
             step_blocks.data(),
             step_blocks.data(),
             type,
             block,
             std::int64_t{block} * head_dim,
             head_dim};
  }
};

void attend_all(benchmark::State& state, const attention::Functions& functions, CacheType type, int rows,
                int length) {
  const Sequence sequence(length, type);
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
    const double bytes = static_cast<double>(sequence.keys.size() + sequence.values.size());
    state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
  } else {
    state.counters["GMAC/s"] = Counter(2 * pairs * width / 1e9, Counter::kIsIterationInvariantRate);
  }
}

const int registered = [] {
  for (const attention::Row& row : attention::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    const std::string isa(isa_name(row.isa));
    for (CacheType type : {CacheType::i16, CacheType::i8}) {
      for (int depth : {1024, 8192}) {
        const std::string name = "attention/next/" + isa + (type == CacheType::i8 ? "/int8" : "") +
                                 "/depth:" + std::to_string(depth);
        benchmark::RegisterBenchmark(name.c_str(), attend_all, *row.functions, type, 1, depth);
      }
    }
    benchmark::RegisterBenchmark(("attention/prompt/" + isa + "/rows:512").c_str(), attend_all,
                                 *row.functions, CacheType::i16, 512, 512);
    benchmark::RegisterBenchmark(("attention/prompt/" + isa + "/rows:256/depth:4096").c_str(), attend_all,
                                 *row.functions, CacheType::i16, 256, 4096);
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
