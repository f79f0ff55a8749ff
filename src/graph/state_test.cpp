// Convolutions and recurrences against twins in float64, and what caches promise of their states: any cutting
// gives the same bits, forks go on from where they were made, nothing changes when a step fails.
#include <gtest/gtest.h>

#include <cmath>

#include "graph/testing.h"
#include "pome/error.h"

namespace pome::graph {
namespace {

using testing::dense;
using testing::make_tensor;
using testing::max_difference;
using testing::random_matrix;
using testing::random_values;

constexpr int positions = 150;

// q, k and v through a convolution and then a recurrence, and beside them the decay and beta that drive it:
// columns of a table with a row per position. An attention over v makes it a hybrid.
struct Layer {
  Recurrence recurrence{
      .layer = 1, .heads = 4, .key_heads = 2, .key_dim = 24, .value_dim = 10, .delta = true};
  Convolution convolution{.layer = 0, .kernel = 4};
  Attention attention{
      .layer = 2, .heads = 1, .kv_heads = 1, .head_dim = 32, .scale = 0.2F, .window = 0, .causal = true};
  bool hybrid = false;
  bool skips = false;
  static constexpr int keys = 2 * 24, values = 4 * 10, mixed = 2 * keys + values;
  Matrix table = random_matrix(positions, mixed + 2 * 4, 1, 0.4F);
  Weight weight = dense(table);
  std::vector<float> taps = random_values(mixed * 4, 2, 0.5F);
  std::vector<float> bias = random_values(mixed, 3, 0.3F);
  std::vector<float> a_log = random_values(4, 4, 0.5F);
  std::vector<float> skip = random_values(4, 5);
  // The layouts of Hugging Face and of MLX hold the same bytes.
  Tensor taps_tensor = make_tensor("conv1d.weight", {mixed, 1, 4}, taps);
  Tensor bias_tensor = make_tensor("conv1d.bias", {mixed}, bias);
  Tensor a_log_tensor = make_tensor("A_log", {4}, a_log);
  Tensor skip_tensor = make_tensor("D", {4}, skip);

  CachePlan plan() const {
    CachePlan plan{{.state_size = convolution.state_size(mixed)}, {.state_size = recurrence.state_size()}};
    if (hybrid) plan.push_back({.kv_heads = 1, .head_dim = 32});
    return plan;
  }

  void forward(Graph& g) const {
    const Value x = g.embedding(weight);
    const Value y = g.convolution(convolution, g.columns(x, 0, mixed), taps_tensor, &bias_tensor);
    const Value decay = g.decay(g.activate(Activation::softplus, g.columns(x, mixed, 4)), a_log_tensor);
    const Value beta = g.activate(Activation::sigmoid, g.columns(x, mixed + 4, 4));
    const Value v = g.columns(y, 2 * keys, values);
    Value out = g.recurrence(recurrence, g.columns(y, 0, keys), g.columns(y, keys, keys), v, decay, beta,
                             skips ? &skip_tensor : nullptr);
    if (hybrid) {
      const Value head = g.columns(v, 0, 32);
      out = g.add(out, g.concat({{g.attention(attention, head, head, head), g.columns(x, 0, 8)}}));
    }
    g.output("logits", g.out_rows(out));
  }

  Matrix twin() const {
    const int heads = recurrence.heads, key_dim = recurrence.key_dim, value_dim = recurrence.value_dim;
    std::vector<double> state(static_cast<std::size_t>(recurrence.state_size()));
    Matrix out{positions, values, {}};
    for (int t = 0; t < positions; ++t) {
      std::vector<double> y;
      for (int c = 0; c < mixed; ++c) {
        double sum = bias[static_cast<std::size_t>(c)];
        for (int k = std::max(0, 3 - t); k < 4; ++k) {
          sum += double{taps[static_cast<std::size_t>(4 * c + k)]} * table.row(t - 3 + k)[c];
        }
        y.push_back(sum);
      }
      for (int h = 0; h < heads; ++h) {
        const double dt = std::log1p(std::exp(double{table.row(t)[mixed + h]}));
        const double decay = std::exp(-dt * std::exp(double{a_log[static_cast<std::size_t>(h)]}));
        const double beta = 1 / (1 + std::exp(-double{table.row(t)[mixed + 4 + h]}));
        const double* q = y.data() + h / 2 * key_dim;
        const double* k = q + keys;
        for (int j = 0; j < value_dim; ++j) {
          double* s = state.data() + (h * value_dim + j) * key_dim;
          const double v = y[static_cast<std::size_t>(2 * keys + h * value_dim + j)];
          double found = 0, read = 0;
          for (int i = 0; i < key_dim; ++i) found += (s[i] *= decay) * k[i];
          for (int i = 0; i < key_dim; ++i) {
            s[i] += beta * (v - (recurrence.delta ? found : 0)) * k[i];
            read += s[i] * q[i];
          }
          out.values.push_back(
              static_cast<float>(read + (skips ? double{skip[static_cast<std::size_t>(h)]} * v : 0)));
        }
      }
    }
    return out;
  }
};

class States : public ::testing::TestWithParam<testing::Tested> {
 protected:
  std::unique_ptr<Runner> load(const Layer& layer) {
    return backend_->load([&layer](Graph& g) { layer.forward(g); }, layer.plan());
  }

  static Matrix advance(Runner& runner, Cache& cache, int count) {
    Step step = testing::plain_step(count, &cache);
    for (std::int32_t& token : step.tokens) token += cache.length();
    Outputs outputs;
    runner.run(step, outputs);
    return outputs.at("logits");
  }

  // All positions, from where the cache stands, `chunk` at a time.
  static Matrix advance_by(Runner& runner, Cache& cache, int chunk) {
    Matrix all;
    while (cache.length() < positions) {
      const Matrix part = advance(runner, cache, std::min(chunk, positions - cache.length()));
      all.width = part.width;
      all.rows += part.rows;
      all.values.insert(all.values.end(), part.values.begin(), part.values.end());
    }
    return all;
  }

  // The rows from `first` on.
  static Matrix from(const Matrix& m, int first) {
    return {m.rows - first, m.width, {m.values.begin() + std::ptrdiff_t{first} * m.width, m.values.end()}};
  }

  // Our kernels give equal bits; MLX's attention depends on the number of rows.
  static double noise() { return GetParam().backend == std::string_view("cpu") ? 0 : 1e-6; }

  std::unique_ptr<Backend> backend_ = GetParam().make();
};

#define EXPECT_SAME(a, b) EXPECT_LE(max_difference(a, b), noise())

TEST_P(States, AreCloseToFloat64) {
  for (const bool delta : {false, true}) {
    Layer layer;
    layer.recurrence.delta = delta;
    layer.skips = !delta;
    const auto runner = load(layer);
    const auto cache = runner->new_cache({});
    EXPECT_LE(max_difference(advance(*runner, *cache, positions), layer.twin()), 2e-5) << delta;
    Outputs outputs;
    runner->run(testing::plain_step(positions), outputs);
    EXPECT_LE(max_difference(outputs.at("logits"), layer.twin()), 2e-5) << "without a cache";
  }
}

TEST_P(States, DoNotDependOnHowAPromptIsCut) {
  const Layer layer;
  const auto runner = load(layer);
  const Matrix whole = advance(*runner, *runner->new_cache({}), positions);
  for (const int chunk : {1, 2, 7, 64}) {
    EXPECT_SAME(advance_by(*runner, *runner->new_cache({}), chunk), whole) << chunk;
  }
}

TEST_P(States, DoNotDependOnTheNumberOfThreads) {
  const Layer layer;
  const auto runner = load(layer);
  const Matrix three = advance(*runner, *runner->new_cache({}), positions);
  const auto alone = make_backend(GetParam().backend, {.precision = GetParam().precision, .threads = 1});
  const auto single = alone->load([&layer](Graph& g) { layer.forward(g); }, layer.plan());
  EXPECT_SAME(advance(*single, *single->new_cache({}), positions), three);
}

TEST_P(States, OfPackedSequencesAreTheirOwn) {
  const Layer layer;
  const auto runner = load(layer);
  const Matrix whole = advance(*runner, *runner->new_cache({}), positions);
  const auto a = runner->new_cache({}), b = runner->new_cache({});
  advance(*runner, *b, 9);
  for (const int rows : {5, 1, 60}) {
    const int at = b->length();
    const int begun = a->length();
    Step step = testing::plain_step(2 * rows);
    for (int i = 0; i < rows; ++i) {
      step.tokens[static_cast<std::size_t>(i)] = begun + i;
      step.tokens[static_cast<std::size_t>(rows + i)] = at + i;
    }
    step.segments = {{0, rows, a.get(), 0, positions}, {rows, rows, b.get(), 0, positions}};
    Outputs outputs;
    runner->run(step, outputs);
    const Matrix& both = outputs.at("logits");
    for (int i = 0; i < rows; ++i) {
      EXPECT_TRUE(std::ranges::equal(both.row(i), whole.row(begun + i)));
      EXPECT_TRUE(std::ranges::equal(both.row(rows + i), whole.row(at + i)));
    }
  }
}

TEST_P(States, ResumeOnlyWhereTheyStand) {
  for (const bool hybrid : {false, true}) {
    Layer layer;
    layer.hybrid = hybrid;
    const auto runner = load(layer);
    const auto cache = runner->new_cache({});
    const Matrix whole = advance(*runner, *runner->new_cache({}), positions);
    advance(*runner, *cache, 70);
    EXPECT_EQ(cache->resume_point(70), 70);
    EXPECT_EQ(cache->resume_point(200), 70);
    EXPECT_EQ(cache->resume_point(69), 0);
    EXPECT_EQ(cache->resume_point(64), 0) << "a full block of positions does not help";
    EXPECT_THROW(cache->fork(64), Error);
    EXPECT_EQ(cache->fork(0)->length(), 0);
    EXPECT_SAME(advance_by(*runner, *cache->fork(0), 50), whole);
  }
}

TEST_P(States, OfForksGoOnByThemselves) {
  Layer layer;
  layer.hybrid = true;
  const auto runner = load(layer);
  const Matrix whole = advance(*runner, *runner->new_cache({}), positions);
  const auto cache = runner->new_cache({});
  advance(*runner, *cache, 33);
  const auto checkpoint = cache->fork(33);
  const auto other = checkpoint->fork(33);
  EXPECT_SAME(advance_by(*runner, *cache, 40), from(whole, 33));
  EXPECT_SAME(advance_by(*runner, *checkpoint->fork(33), 1), from(whole, 33)) << "resumed = from the start";
  EXPECT_EQ(checkpoint->length(), 33);
  EXPECT_SAME(advance_by(*runner, *other, 7), from(whole, 33));
  EXPECT_SAME(advance_by(*runner, *checkpoint, 117), from(whole, 33));
}

TEST_P(States, AStepThatFailsLeavesThemAsTheyWere) {
  const Layer layer;
  const auto runner = load(layer);
  const Matrix whole = advance(*runner, *runner->new_cache({}), positions);
  const auto cache = runner->new_cache({});
  advance(*runner, *cache, 12);
  Step step = testing::plain_step(3, cache.get());
  step.tokens = {12, 13, 100000};
  Outputs outputs;
  EXPECT_THROW(runner->run(step, outputs), Error);
  EXPECT_EQ(cache->length(), 12);
  EXPECT_SAME(advance_by(*runner, *cache, 138), from(whole, 12));
}

TEST_P(States, AreSavedAndRestored) {
  Layer layer;
  layer.hybrid = true;
  const auto runner = load(layer);
  const Matrix whole = advance(*runner, *runner->new_cache({}), positions);
  const auto cache = runner->new_cache({});
  advance(*runner, *cache, 77);
  const auto table = [](const std::vector<Tensor>& tensors) {
    formats::TensorTable table("saved");
    for (const Tensor& tensor : tensors) table.add(tensor);
    return table;
  };
  const std::vector<Tensor> saved = cache->save();
  EXPECT_SAME(advance_by(*runner, *runner->restore_cache({}, table(saved)), 20), from(whole, 77));
  EXPECT_EQ(runner->restore_cache({}, table(runner->new_cache({})->save()))->length(), 0);

  for (std::size_t i = 0; i < saved.size(); ++i) {  // none may be missing, and states must fit
    std::vector<Tensor> spoilt = saved;
    spoilt.erase(spoilt.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THROW(runner->restore_cache({}, table(spoilt)), Error) << saved[i].name;
    if (!saved[i].name.ends_with(".state")) continue;
    spoilt = saved;
    spoilt[i].shape = {spoilt[i].shape[0] / 2, 2};
    EXPECT_THROW(runner->restore_cache({}, table(spoilt)), Error) << saved[i].name;
    spoilt[i] = make_tensor(saved[i].name, {3}, {1, 2, 3});
    EXPECT_THROW(runner->restore_cache({}, table(spoilt)), Error) << saved[i].name;
  }
}

TEST_P(States, BytesAreNoMoreThanWasForetold) {
  Layer layer;
  layer.hybrid = true;
  const auto runner = load(layer);
  const auto cache = runner->new_cache({});
  for (const int rows : {20, 1, 40}) {
    advance(*runner, *cache, rows);
    const std::size_t states = 4 * static_cast<std::size_t>(layer.recurrence.state_size() +
                                                            layer.convolution.state_size(Layer::mixed));
    const std::size_t foretold =
        cache_bytes(layer.plan(), {}, cache->length(), backend_->cache_element_bytes());
    EXPECT_LE(cache->bytes(), foretold);
    if (GetParam().backend == std::string_view("cpu")) EXPECT_GE(cache->bytes(), foretold - states);
    EXPECT_LE(cache->fork(cache->length())->bytes(), foretold - states) << "a checkpoint holds one state";
  }
}

TEST_P(States, StayFloat32BesideQuantizedKeys) {
  const Layer layer;
  const auto runner = load(layer);
  EXPECT_SAME(advance(*runner, *runner->new_cache({.kv_bits = 8}), positions),
              advance(*runner, *runner->new_cache({}), positions));
}

TEST_P(States, MisfitsAreNamed) {
  Layer layer;
  const auto refused = [&](auto change) {
    Layer broken = layer;
    change(broken);
    const auto runner = load(broken);
    Outputs outputs;
    EXPECT_THROW(runner->run(testing::plain_step(3), outputs), Error);
  };
  refused([](Layer& l) { l.convolution.kernel = 3; });
  refused([](Layer& l) { l.convolution.kernel = 1; });
  refused([](Layer& l) { l.bias_tensor = make_tensor("bias", {2}, {1, 2}); });
  refused([](Layer& l) { l.recurrence.key_dim = 20; });
  refused([](Layer& l) { l.recurrence.key_heads = 3; });
  refused([](Layer& l) { l.a_log_tensor = make_tensor("A_log", {2}, {1, 2}); });
}

INSTANTIATE_TEST_SUITE_P(Backends, States, ::testing::ValuesIn(testing::every_backend),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pome::graph
