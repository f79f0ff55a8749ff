// What the CPU backend promises beyond the operations: a row's bits depend on its tokens and positions only,
// programs are kept, and a next-token step allocates nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <numeric>
#include <set>

#include "graph/testing.h"
#include "pome/error.h"

namespace {

std::atomic<std::int64_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t whole = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, whole)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace pome::graph {
namespace {

using testing::dense;
using testing::make_tensor;
using testing::random_matrix;
using testing::random_values;

constexpr int width = 64;
constexpr int heads = 4, kv_heads = 2, head_dim = 32;
constexpr int inner = 160;
constexpr int experts = 4;
constexpr int vocabulary = 70;
constexpr int length = 90;  // more than one block

// A matrix in 4 bits of random codes.
Weight quantized(int out, int in, unsigned seed) {
  constexpr int group = 32;
  Weight weight;
  std::mt19937 generator(seed);
  std::vector<float> scales, biases;
  for (int i = 0; i < out * in / group; ++i) {
    scales.push_back(0.02F * static_cast<float>(generator() % 100) / 100);
    biases.push_back(-8 * scales.back());
  }
  auto codes = std::make_shared<std::vector<std::uint32_t>>(static_cast<std::size_t>(out) * in / 8);
  for (std::uint32_t& word : *codes) word = static_cast<std::uint32_t>(generator());
  weight.weight.name = "codes";
  weight.weight.dtype = Dtype::u32;
  weight.weight.shape = {out, in / 8};
  weight.weight.data = reinterpret_cast<const std::byte*>(codes->data());
  weight.weight.size_bytes = codes->size() * 4;
  weight.weight.owner = codes;
  weight.quantization = Quantization{.mode = "affine", .bits = 4, .group_size = group};
  weight.scales = make_tensor("scales", {out, in / group}, scales, Dtype::bf16);
  weight.biases = make_tensor("biases", {out, in / group}, biases, Dtype::bf16);
  return weight;
}

// The same for each of so many experts.
Weight quantized_stack(int count, int out, int in, unsigned seed) {
  Weight stack = quantized(count * out, in, seed);
  for (Tensor* part : {&stack.weight, &*stack.scales, &*stack.biases}) {
    part->shape = {count, out, part->shape[1]};
  }
  return stack;
}

Linear linear(int out, int in, unsigned seed) {
  return {.name = "linear", .weight = quantized(out, in, seed), .bias = {}, .adapters = {}};
}

// Two blocks of what the families are made of.
struct Small {
  Weight embedding = dense(random_matrix(vocabulary, width, 1), Dtype::bf16);
  Tensor norm = make_tensor("norm", {width}, random_values(width, 2));
  Tensor head_norm = make_tensor("head_norm", {head_dim}, random_values(head_dim, 3));
  Linear q = linear(heads * head_dim, width, 4);
  Linear k = linear(kv_heads * head_dim, width, 5);
  Linear v = linear(kv_heads * head_dim, width, 6);
  Linear o = linear(width, heads* head_dim, 7);
  Linear gate = linear(inner, width, 8);
  Linear up = linear(inner, width, 9);
  Linear down = linear(width, inner, 10);
  Linear router = linear(experts, width, 12);
  Experts mixture{.name = "experts",
                  .count = experts,
                  .gate = {{quantized_stack(experts, inner, width, 13)}, {}},
                  .up = {{quantized_stack(experts, inner, width, 14)}, {}},
                  .down = {{quantized_stack(experts, width, inner, 15)}, {}},
                  .gating = {}};
  Linear head{.name = "head", .weight = embedding, .bias = {}, .adapters = {}};
  Rope rope{.head_dim = head_dim,
            .dims = head_dim,
            .interleaved = false,
            .attention_factor = 1,
            .inv_freq = random_values(head_dim / 2, 11),
            .inv_freq_for = {}};

  static CachePlan plan() { return {{kv_heads, head_dim, 0}, {kv_heads, head_dim, 20}}; }

  void forward(Graph& g) const {
    Value x = g.embedding(embedding);
    for (const int layer : {0, 1}) {
      const Value h = g.rms_norm(x, norm, 1e-5F);
      const Value queries = g.rope(g.rms_norm(g.linear(q, h), head_norm, 1e-5F), rope);
      const Value keys = g.rope(g.linear(k, h), rope);
      const Attention spec{.layer = layer,
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .head_dim = head_dim,
                           .scale = 0.2F,
                           .window = layer == 0 ? 0 : 20,
                           .causal = true};
      x = g.add(x, g.linear(o, g.attention(spec, queries, keys, g.linear(v, h))));
      const Value h2 = g.rms_norm(x, norm, 1e-5F);
      const Value gated = g.multiply(g.activate(Activation::silu, g.linear(gate, h2)), g.linear(up, h2));
      x = g.add(x, g.linear(down, gated));
      // Of another input gate and up are all there is.
      const Value h3 = layer == 0 ? h2 : g.rms_norm(x, norm, 1e-5F);
      const Value routes = g.route({.experts = experts, .chosen = 2}, g.linear(router, h3));
      x = g.add(x, g.experts(mixture, h2, routes));
      g.output(layer == 0 ? "layers.0" : "layers.1", x);
    }
    g.output("logits", g.linear(head, g.rms_norm(g.out_rows(x), norm, 1e-5F)));
  }
};

std::vector<std::int32_t> tokens_of(unsigned seed, int count) {
  std::mt19937 generator(seed);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(static_cast<std::int32_t>(generator() % vocabulary));
  return tokens;
}

// Adds `tokens` of one sequence to a step; all its rows are wanted.
void add_segment(Step& step, std::span<const std::int32_t> tokens, Cache* cache) {
  const int begin = static_cast<int>(step.tokens.size());
  const int count = static_cast<int>(tokens.size());
  step.tokens.insert(step.tokens.end(), tokens.begin(), tokens.end());
  for (int i = 0; i < count; ++i) step.out_rows.push_back(begin + i);
  step.segments.push_back(
      {.begin = begin, .length = count, .cache = cache, .adapter = 0, .planned_length = length});
}

class Programs : public ::testing::TestWithParam<Precision> {
 protected:
  std::unique_ptr<Runner> load(int threads) {
    backends_.push_back(make_backend("cpu", {.precision = GetParam(), .threads = threads}));
    return backends_.back()->load([this](Graph& g) { model_.forward(g); }, Small::plan());
  }

  static std::vector<float> advance(Runner& runner, Cache* cache, std::span<const std::int32_t> tokens) {
    Step step;
    add_segment(step, tokens, cache);
    Outputs outputs;
    runner.run(step, outputs);
    return outputs.at("logits").values;
  }

  Small model_;
  std::vector<std::unique_ptr<Backend>> backends_;
};

TEST_P(Programs, BitsOfARowDependOnItsTokensAndPositionsOnly) {
  const std::vector<std::int32_t> tokens = tokens_of(1, length);
  const std::vector<float> alone = advance(*load(1), nullptr, tokens);
  for (const int threads : {1, 2, 4}) {
    const auto runner = load(threads);
    for (const int chunk : {1, 7, length}) {
      const auto cache = runner->new_cache({});
      std::vector<float> found;
      for (int begin = 0; begin < length; begin += chunk) {
        const auto count = static_cast<std::size_t>(std::min(chunk, length - begin));
        const auto part =
            advance(*runner, cache.get(), std::span(tokens).subspan(static_cast<std::size_t>(begin), count));
        found.insert(found.end(), part.begin(), part.end());
      }
      EXPECT_EQ(found, alone) << "chunks of " << chunk << " on " << threads << " threads";
    }

    // Among fifteen others, some of which have begun before.
    Step step;
    std::vector<std::unique_ptr<Cache>> caches;
    std::size_t first = 0;
    for (int i = 0; i < 16; ++i) {
      caches.push_back(runner->new_cache({}));
      if (i % 3 == 1) advance(*runner, caches.back().get(), tokens_of(100, 40));
      if (i == 9) first = step.tokens.size();
      add_segment(step, i == 9 ? tokens : tokens_of(static_cast<unsigned>(i), 5 + i), caches.back().get());
    }
    Outputs outputs;
    runner->run(step, outputs);
    const auto& packed = outputs.at("logits").values;
    const auto begin = packed.begin() + static_cast<std::ptrdiff_t>(first * vocabulary);
    EXPECT_EQ(std::vector(begin, begin + static_cast<std::ptrdiff_t>(alone.size())), alone)
        << "packed, on " << threads << " threads";

    const auto cache = runner->new_cache({});
    advance(*runner, cache.get(), std::span(tokens).first(70));
    const auto fork = cache->fork(70);
    advance(*runner, cache.get(), tokens_of(7, 15));  // goes on in the block that both ended in
    const std::vector<float> rest = advance(*runner, fork.get(), std::span(tokens).subspan(70));
    EXPECT_EQ(rest, std::vector(alone.begin() + 70 * vocabulary, alone.end())) << "from a fork";
  }
}

TEST(Precisions, KeepTheirCachesApart) {
  std::set<std::string> kinds;
  for (const Precision precision : {Precision::standard, Precision::exact, Precision::fast}) {
    EXPECT_TRUE(kinds.insert(make_backend("cpu", {.precision = precision})->cache_kind()).second);
    EXPECT_EQ(precision_from_name(precision_name(precision)), precision);
  }
}

TEST_P(Programs, AreRecordedOncePerShape) {
  const auto runner = load(2);
  const auto cache = runner->new_cache({});
  const std::vector<std::int32_t> tokens = tokens_of(2, length);
  advance(*runner, cache.get(), std::span(tokens).first(30));
  EXPECT_EQ(runner->recorded_programs(), 1U);
  for (std::size_t i = 30; i < 80; ++i) advance(*runner, cache.get(), std::span(tokens).subspan(i, 1));
  EXPECT_EQ(runner->recorded_programs(), 2U);
  advance(*runner, nullptr, std::span(tokens).first(30));
  EXPECT_EQ(runner->recorded_programs(), 2U) << "the program of 30 rows was there";
  Step step;
  add_segment(step, std::span(tokens).first(30), nullptr);
  step.layer_outputs = true;
  Outputs outputs;
  runner->run(step, outputs);
  EXPECT_EQ(runner->recorded_programs(), 3U) << "layer outputs are another shape";
  EXPECT_TRUE(outputs.contains("layers.0"));
  step.layer_outputs = false;
  step.out_rows.clear();
  runner->run(step, outputs);
  EXPECT_EQ(runner->recorded_programs(), 4U);
  EXPECT_TRUE(outputs.empty()) << "outputs of another step are removed";
}

TEST_P(Programs, CountTheirWork) {
  const auto runner = load(2);
  const auto cache = runner->new_cache({});
  const std::vector<std::int32_t> tokens = tokens_of(2, 3);
  advance(*runner, cache.get(), std::span(tokens).first(1));
  const Work one = runner->work();
  advance(*runner, cache.get(), std::span(tokens).subspan(1, 1));
  advance(*runner, cache.get(), std::span(tokens).subspan(2, 1));
  const Work three = runner->work();
  EXPECT_EQ(one.steps, 1U);
  EXPECT_EQ(three.steps, 3U);
  EXPECT_GT(one.weight_bytes, 0U);
  EXPECT_EQ(three.weight_bytes, 3 * one.weight_bytes) << "every step reads all weights once";
  EXPECT_GT(three.phases, one.phases);
  EXPECT_GT(three.phase_seconds, one.phase_seconds);
}

TEST_P(Programs, LayerOutputsAreThoseOfTheReference) {
  const auto reference =
      make_backend("reference")->load([this](Graph& g) { model_.forward(g); }, Small::plan());
  Step step;
  add_segment(step, tokens_of(3, length), nullptr);
  step.layer_outputs = true;
  Outputs expected, found;
  reference->run(step, expected);
  load(3)->run(step, found);
  const double tolerance = GetParam() == Precision::exact      ? 2e-4
                           : GetParam() == Precision::standard ? 5e-2
                                                               : 2;
  for (const auto& [name, matrix] : expected) {
    EXPECT_LE(testing::max_difference(matrix, found.at(name)), tolerance) << name;
  }
  EXPECT_EQ(found.size(), expected.size());
}

TEST_P(Programs, ANextTokenAllocatesNothing) {
  const auto runner = load(2);
  const auto cache = runner->new_cache({});
  advance(*runner, cache.get(), tokens_of(4, 10));
  Outputs outputs;
  for (int i = 0; i < 40; ++i) {
    Step step;
    add_segment(step, std::vector<std::int32_t>{i}, cache.get());
    const std::int64_t before = allocations;
    runner->run(step, outputs);
    if (i == 0) {
      EXPECT_GT(allocations - before, 0) << "the first one is recorded";
    } else {
      EXPECT_EQ(allocations - before, 0) << "token " << i;
    }
  }
}

std::string name_of(const ::testing::TestParamInfo<Precision>& tested) {
  const char* names[] = {"standard", "exact", "fast"};
  return names[static_cast<std::size_t>(tested.param)];
}

INSTANTIATE_TEST_SUITE_P(Precisions, Programs,
                         ::testing::Values(Precision::standard, Precision::exact, Precision::fast), name_of);

TEST(PrecisionNames, OthersAreRefused) {
  EXPECT_EQ(precision_from_name("exact"), Precision::exact);
  EXPECT_THROW(precision_from_name("sloppy"), Error);
}

}  // namespace
}  // namespace pome::graph
