#include "services/bench_kernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "engine/sampler.h"
#include "graph/backend.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/isa.h"
#include "quant/mode.h"

namespace pome::services {
namespace {

using formats::Tensor;

constexpr int columns = 4096;
constexpr int prompt_rows = 256;
constexpr std::int64_t gemv_bytes = std::int64_t{64} << 20;  // beyond the caches of most processors
constexpr int gemm_columns = 2048;
constexpr int heads = 16, kv_heads = 8, head_dim = 128;
constexpr int attention_depth = 4096;
constexpr int vocabulary = 151'936;

// A call to time, and what one call does in the row's unit; 0: the unit is µs.
struct Problem {
  std::function<void()> call;
  double work = 0;
  std::string unit = "µs";
};

struct Kernel {
  std::string name;
  std::function<Problem(const graph::CacheOptions&)> make;
};

Tensor empty(std::string name, Dtype dtype, std::vector<std::int64_t> shape) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  return tensor;
}

// A tensor whose bytes repeat a megabyte of noise; with a `top` every second byte has its magnitude and a
// sign by chance, so that the elements are small numbers of 16 bits.
Tensor noise(std::string name, Dtype dtype, std::vector<std::int64_t> shape, std::optional<int> top = {}) {
  Tensor tensor = empty(std::move(name), dtype, std::move(shape));
  tensor.size_bytes = formats::tensor_size_bytes(dtype, tensor.shape).value();
  auto bytes = std::make_shared<std::vector<std::byte>>(tensor.size_bytes);
  constexpr std::size_t period = 1 << 20;
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < std::min(period, bytes->size()); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const auto bits = static_cast<unsigned>(state >> 56);
    (*bytes)[i] = static_cast<std::byte>(top && i % 2 == 1 ? unsigned(*top) | (bits & 0x80U) : bits);
  }
  for (std::size_t i = period; i < bytes->size(); i += period) {
    std::memcpy(bytes->data() + i, bytes->data(), std::min(period, bytes->size() - i));
  }
  tensor.data = bytes->data();
  tensor.owner = std::move(bytes);
  return tensor;
}

Tensor floats(std::string name, std::vector<std::int64_t> shape) {
  Tensor tensor = empty(std::move(name), Dtype::f32, std::move(shape));
  auto values = std::make_shared<std::vector<float>>(static_cast<std::size_t>(tensor.elements()));
  for (std::size_t i = 0; i < values->size(); ++i)
    (*values)[i] = static_cast<float>(i * 37 % 101) / 50.0F - 1.0F;
  tensor.data = reinterpret_cast<const std::byte*>(values->data());
  tensor.size_bytes = values->size() * sizeof(float);
  tensor.owner = std::move(values);
  return tensor;
}

Tensor constant(std::string name, Dtype dtype, std::vector<std::int64_t> shape, std::uint16_t bits) {
  Tensor tensor = noise(std::move(name), dtype, std::move(shape));
  auto* bytes = const_cast<std::byte*>(tensor.data);
  for (std::size_t i = 0; i < tensor.size_bytes; ++i)
    bytes[i] = static_cast<std::byte>(dtype_bits(dtype) == 16 && i % 2 == 1 ? bits >> 8 : bits & 0xff);
  return tensor;
}

graph::Weight quantized(const quant::Mode& mode, int bits, std::int64_t rows) {
  const int group = mode.default_group_size;
  const bool halves = mode.has_biases;
  const Dtype scale_dtype = halves ? Dtype::bf16 : Dtype::u8;
  graph::Weight weight;
  weight.weight = noise("weight", Dtype::u32, {rows, columns * bits / 32});
  weight.quantization = graph::Quantization{std::string(mode.name), bits, group};
  // bfloat16 0.01, or 2^-7 in the scales of eight bits.
  weight.scales = constant("scales", scale_dtype, {rows, columns / group}, halves ? 0x3c24 : 0x78);
  if (mode.has_biases) weight.biases = constant("biases", scale_dtype, {rows, columns / group}, 0xbda0);
  return weight;
}

graph::Weight dense(Dtype dtype, std::int64_t rows) {
  graph::Weight weight;
  weight.weight = dtype == Dtype::f32
                      ? floats("weight", {rows, columns})
                      : noise("weight", dtype, {rows, columns}, dtype == Dtype::f16 ? 0x24 : 0x3c);
  return weight;
}

std::uint64_t stored_bytes(const graph::Weight& weight) {
  return weight.weight.size_bytes + (weight.scales ? weight.scales->size_bytes : 0) +
         (weight.biases ? weight.biases->size_bytes : 0);
}

graph::Step step_of(int rows, graph::Cache* cache) {
  graph::Step step;
  step.tokens.assign(static_cast<std::size_t>(rows), 0);
  for (int i = 0; i < rows; ++i) step.tokens[static_cast<std::size_t>(i)] = i % prompt_rows;
  const int length = (cache == nullptr ? 0 : cache->length()) + rows;
  step.segments = {{.begin = 0, .length = rows, .cache = cache, .adapter = 0, .planned_length = length}};
  step.out_rows = {rows - 1};
  return step;
}

// A forward pass of one operation after an embedding row of floats, kept alive with all that it reads.
struct Single {
  std::unique_ptr<graph::Backend> backend = graph::make_backend();
  graph::Weight table;
  graph::Linear linear;
  std::unique_ptr<graph::Runner> runner;
  std::unique_ptr<graph::Cache> cache;
  graph::Outputs outputs;
};

Problem product(const std::function<graph::Weight(std::int64_t rows)>& make, double bits, int rows) {
  auto single = std::make_shared<Single>();
  single->table.weight = floats("table", {prompt_rows, columns});
  const std::int64_t wide = static_cast<std::int64_t>(static_cast<double>(gemv_bytes) * 8 / bits) / columns;
  single->linear.name = "linear";
  single->linear.weight = make(rows == 1 ? wide / 32 * 32 : gemm_columns);
  single->runner = single->backend->load(
      [self = single.get()](graph::Graph& g) {
        g.output("logits", g.linear(self->linear, g.embedding(self->table)));
      },
      {});
  const auto outputs = static_cast<double>(single->linear.weight.out_features());
  Problem problem;
  problem.call = [single, rows] { single->runner->run(step_of(rows, nullptr), single->outputs); };
  problem.work = rows == 1 ? static_cast<double>(stored_bytes(single->linear.weight)) / 1e9
                           : outputs * columns * rows / 1e9;
  problem.unit = rows == 1 ? "GB/s" : "GMAC/s";
  return problem;
}

// Rows behind attention_depth cached positions; every call starts from a fork of that cache.
Problem attention(int rows, const graph::CacheOptions& options) {
  constexpr int width = (heads + 2 * kv_heads) * head_dim;
  auto single = std::make_shared<Single>();
  single->table.weight = floats("table", {prompt_rows, width});
  const graph::CachePlan plan{{.kv_heads = kv_heads, .head_dim = head_dim}};
  single->runner = single->backend->load(
      [self = single.get()](graph::Graph& g) {
        const graph::Value x = g.embedding(self->table);
        graph::Attention spec;
        spec.heads = heads;
        spec.kv_heads = kv_heads;
        spec.head_dim = head_dim;
        spec.scale = 0.088F;
        g.output("logits", g.attention(spec, g.columns(x, 0, heads * head_dim),
                                       g.columns(x, heads * head_dim, kv_heads * head_dim),
                                       g.columns(x, (heads + kv_heads) * head_dim, kv_heads * head_dim)));
      },
      plan);
  single->cache = single->runner->new_cache(options);
  for (int past = 0; past < attention_depth; past += prompt_rows)
    single->runner->run(step_of(prompt_rows, single->cache.get()), single->outputs);
  Problem problem;
  problem.call = [single, rows] {
    const auto fork = single->cache->fork(attention_depth);
    single->runner->run(step_of(rows, fork.get()), single->outputs);
  };
  const double pairs = rows * (attention_depth + (rows + 1) / 2.0);
  problem.work =
      rows == 1 ? static_cast<double>(single->cache->bytes()) / 1e9 : 2 * pairs * heads * head_dim / 1e9;
  problem.unit = rows == 1 ? "GB/s" : "GMAC/s";
  return problem;
}

Problem norm() {
  auto x = std::make_shared<std::vector<float>>(std::size_t{prompt_rows} * columns, 0.5F);
  return {.call = [x] {
    kernels::rms_norm({prompt_rows, columns, columns, columns}, x->data(), {}, 1e-6F, x->data());
  }};
}

Problem rope() {
  auto x = std::make_shared<std::vector<float>>(std::size_t{prompt_rows} * columns, 0.5F);
  auto table = std::make_shared<std::vector<float>>(head_dim / 2, 0.7F);
  return {.call = [x, table] {
    for (int row = 0; row < prompt_rows; ++row) {
      kernels::rope({columns / head_dim, head_dim, head_dim, false, table->data(), table->data()},
                    x->data() + std::ptrdiff_t{row} * columns);
    }
  }};
}

Problem sampler(const std::function<void(engine::SamplingParams&)>& set) {
  engine::SamplingParams params;
  params.temperature = 0.8F;
  set(params);
  auto sampler = std::make_shared<engine::Sampler>(params, 1);
  auto logits = std::make_shared<std::vector<float>>();
  std::uint64_t state = 1;
  for (int i = 0; i < vocabulary; ++i) {  // sums of four draws: nearly a bell, 2 wide
    float sum = 0;
    for (int k = 0; k < 4; ++k) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      sum += static_cast<float>(state >> 40) / 16777216.0F - 0.5F;
    }
    logits->push_back(3.5F * sum);
  }
  for (int i = 0; i < 40; ++i) (*logits)[static_cast<std::size_t>(i) * 3001] = 20.0F - static_cast<float>(i);
  auto index = std::make_shared<std::uint64_t>(0);
  return {.call = [=] { sampler->sample(*logits, {}, (*index)++); }};
}

std::vector<Kernel> kernels() {
  std::vector<Kernel> all;
  const auto add_products = [&](const std::string& form, double bits,
                                const std::function<graph::Weight(std::int64_t)>& make) {
    for (const int rows : {1, prompt_rows}) {
      all.push_back({(rows == 1 ? "gemv " : "gemm ") + form,
                     [=](const graph::CacheOptions&) { return product(make, bits, rows); }});
    }
  };
  for (const quant::Mode* mode : quant::modes()) {
    for (const int bits : mode->bits) {
      add_products(fmt::format("{} {} bit", mode->name, bits), bits,
                   [=](std::int64_t rows) { return quantized(*mode, bits, rows); });
    }
  }
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16, Dtype::f32}) {
    add_products(std::string(dtype_name(dtype)), dtype_bits(dtype),
                 [=](std::int64_t rows) { return dense(dtype, rows); });
  }
  for (const int rows : {1, prompt_rows}) {
    all.push_back({rows == 1 ? "attention next token" : "attention prompt",
                   [=](const graph::CacheOptions& cache) { return attention(rows, cache); }});
  }
  const auto add = [&](std::string name, std::function<Problem()> make) {
    all.push_back({std::move(name), [=](const graph::CacheOptions&) { return make(); }});
  };
  add("rms norm", norm);
  add("rope", rope);
  const auto add_sampler = [&](const std::string& name, std::function<void(engine::SamplingParams&)> set) {
    add("sampler " + name, [=] { return sampler(set); });
  };
  add_sampler("greedy", [](auto& p) { p.temperature = 0; });
  add_sampler("temperature", [](auto&) {});
  add_sampler("top-k top-p min-p", [](auto& p) {
    p.top_k = 20;
    p.top_p = 0.8F;
    p.min_p = 0.01F;
  });
  add_sampler("top-p", [](auto& p) { p.top_p = 0.95F; });
  add_sampler("typical", [](auto& p) { p.typical_p = 0.9F; });
  add_sampler("mirostat", [](auto& p) { p.mirostat = 2; });
  return all;
}

// Five samples of at least 20 ms each.
KernelRow time(const std::string& name, const Problem& problem) {
  using Clock = std::chrono::steady_clock;
  constexpr int samples = 5;
  problem.call();
  std::vector<double> seconds;
  for (int i = 0; i < samples; ++i) {
    const auto start = Clock::now();
    double passed = 0;
    int calls = 0;
    for (; passed < 0.02; ++calls) {
      problem.call();
      passed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    seconds.push_back(passed / calls);
  }
  KernelRow row{.name = name, .unit = problem.unit};
  const auto value = [&](double s) { return problem.work > 0 ? problem.work / s : s * 1e6; };
  for (const double s : seconds) {
    row.value += value(s) / samples;
    row.us += s * 1e6 / samples;
  }
  double squares = 0;
  for (const double s : seconds) squares += (value(s) - row.value) * (value(s) - row.value);
  row.deviation = std::sqrt(squares / (samples - 1));
  return row;
}

}  // namespace

Json KernelRow::to_json() const {
  return {{"name", name}, {"value", value}, {"stddev", deviation}, {"unit", unit}, {"us", us}};
}

Json KernelReport::to_json() const {
  Json rows = Json::array();
  for (const KernelRow& row : kernels) rows.push_back(row.to_json());
  return {{"kernels", rows}, {"isa", isa}, {"threads", threads}};
}

std::vector<std::string> kernel_names() {
  std::vector<std::string> names;
  for (const Kernel& kernel : kernels()) names.push_back(kernel.name);
  return names;
}

KernelReport bench_kernels(const std::string& filter, const graph::CacheOptions& cache,
                           const std::function<bool(const std::string& name)>& progress) {
  KernelReport report;
  report.isa = pome::kernels::isa_name(pome::kernels::active_isa());
  report.threads = threads();
  for (const Kernel& kernel : kernels()) {
    if (kernel.name.find(filter) == std::string::npos) continue;
    if (progress && !progress(kernel.name)) fail(ErrorKind::interrupted, "the measurement was interrupted");
    report.kernels.push_back(time(kernel.name, kernel.make(cache)));
  }
  if (report.kernels.empty()) {
    fail(ErrorKind::usage, "no operation's name contains \"{}\", there are {}", filter,
         fmt::join(kernel_names(), ", "));
  }
  return report;
}

}  // namespace pome::services
