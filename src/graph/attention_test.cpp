// Attention over caches against a twin in float64, and what caches promise: any cutting gives the same rows,
// forks share, nothing is lost that a later row looks at.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <thread>

#include "graph/testing.h"
#include "pome/error.h"

namespace pome::graph {
namespace {

using testing::dense;
using testing::max_difference;
using testing::random_matrix;

constexpr int positions = 200;  // more than three blocks

// One attention, its q, k and v being columns of a table with a row per position.
struct Layer {
  Attention spec{
      .layer = 0, .heads = 4, .kv_heads = 2, .head_dim = 32, .scale = 0.3F, .window = 0, .causal = true};
  bool own_values = true;
  Tensor sinks = testing::make_tensor("sinks", {4}, {0.5F, -1, 2, 0.1F}, Dtype::bf16, 1);
  Matrix table = random_matrix(positions, 4 * 32 + 2 * 2 * 32, 1);
  Weight weight = dense(table);

  CachePlan plan() const {
    return {{.kv_heads = spec.kv_heads,
             .head_dim = spec.head_dim,
             .window = spec.window,
             .chunk = spec.chunk,
             .value_dim = spec.value_dim,
             .own_values = own_values}};
  }

  int q_width() const { return spec.heads * spec.head_dim; }
  int k_width() const { return spec.kv_heads * spec.head_dim; }

  void forward(Graph& g) const {
    const Value x = g.embedding(weight);
    const Value q = g.columns(x, 0, q_width());
    const Value k = g.columns(x, q_width(), k_width());
    const Value v = g.columns(x, q_width() + k_width(), spec.kv_heads * spec.value_size());
    g.output("logits", g.out_rows(own_values ? g.attention(spec, q, k, v) : g.attention(spec, q, k)));
  }

  double value(int position, int head, int c) const {
    const int kv = head / (spec.heads / spec.kv_heads);
    return table.row(position)[own_values ? q_width() + k_width() + kv * spec.value_size() + c
                                          : q_width() + kv * spec.head_dim + c];
  }

  // Rows [first, first + count) of a sequence that began at 0.
  Matrix twin(int first, int count, const CacheOptions& options = {}) const {
    const Visibility visible = visibility(plan()[0], options);
    Matrix out{count, spec.heads * spec.value_size(), {}};
    for (int row = first; row < first + count; ++row) {
      for (int h = 0; h < spec.heads; ++h) {
        const int k = q_width() + h / (spec.heads / spec.kv_heads) * spec.head_dim;
        std::vector<double> weights;
        std::vector<int> seen;
        const float sink = testing::rounded(std::array{0.5F, -1.0F, 2.0F, 0.1F}[h], Dtype::bf16);
        double most = spec.sinks != nullptr ? sink : -HUGE_VAL;
        for (int p = 0; p < positions; ++p) {
          const bool inside = spec.causal ? visible.sees(row, p) && spec.sparse.sees(row, p, h)
                                          : p >= first && p < first + count;
          if (!inside) continue;
          double dot = 0;
          for (int c = 0; c < spec.head_dim; ++c) {
            dot += static_cast<double>(table.row(row)[h * spec.head_dim + c]) * table.row(p)[k + c];
          }
          seen.push_back(p);
          const double score = dot * spec.scale;
          weights.push_back(spec.soft_cap > 0 ? std::tanh(score / spec.soft_cap) * spec.soft_cap : score);
          most = std::max(most, weights.back());
        }
        double sum = spec.sinks != nullptr ? std::exp(sink - most) : 0;
        for (double& w : weights) sum += w = std::exp(w - most);
        for (int c = 0; c < spec.value_size(); ++c) {
          double mean = 0;
          for (std::size_t i = 0; i < seen.size(); ++i) mean += weights[i] / sum * value(seen[i], h, c);
          out.values.push_back(static_cast<float>(mean));
        }
      }
    }
    return out;
  }
};

class Caches : public ::testing::TestWithParam<testing::Tested> {
 protected:
  std::unique_ptr<Runner> load(const Layer& layer) {
    return backend_->load([&layer](Graph& g) { layer.forward(g); }, layer.plan());
  }

  // The next `count` positions of a sequence.
  static Matrix advance(Runner& runner, Cache& cache, int count) {
    Step step = testing::plain_step(count, &cache);
    for (std::int32_t& token : step.tokens) token += cache.length();
    Outputs outputs;
    runner.run(step, outputs);
    return outputs.at("logits");
  }

  static Matrix advance_in(Runner& runner, Cache& cache, std::span<const int> chunks) {
    Matrix all;
    for (const int count : chunks) {
      const Matrix part = advance(runner, cache, count);
      all.width = part.width;
      all.rows += part.rows;
      all.values.insert(all.values.end(), part.values.begin(), part.values.end());
    }
    return all;
  }

  static double close() { return GetParam().cached; }

  std::unique_ptr<Backend> backend_ = GetParam().make();
};

constexpr int whole[] = {positions};
constexpr int ragged[] = {1, 6, 57, 1, 63, 2, 70};

TEST_P(Caches, WithoutOneASegmentIsAllThereIs) {
  for (const bool causal : {true, false}) {
    Layer layer;
    layer.spec.causal = causal;
    const auto runner = load(layer);
    Outputs outputs;
    runner->run(testing::plain_step(9), outputs);
    EXPECT_LE(max_difference(outputs.at("logits"), layer.twin(0, 9)), close()) << causal;
  }
}

TEST_P(Caches, RowsSeeWhatTheyShouldHoweverThePromptIsCut) {
  for (const int window : {0, 1, 10, 64, 130}) {
    for (const int max_kv_size : {0, 20, 90}) {
      Layer layer;
      layer.spec.window = window;
      const CacheOptions options{.max_kv_size = max_kv_size};
      const Matrix expected = layer.twin(0, positions, options);
      const auto runner = load(layer);
      const std::vector<int> singly(positions, 1);
      for (const std::span<const int> chunks :
           {std::span<const int>(whole), std::span<const int>(ragged), std::span<const int>(singly)}) {
        const auto cache = runner->new_cache(options);
        const Matrix found = advance_in(*runner, *cache, chunks);
        EXPECT_LE(max_difference(found, expected), close()) << "window " << window << ", max " << max_kv_size;
        EXPECT_EQ(cache->length(), positions);
      }
    }
  }
}

TEST_P(Caches, VariantsOfAttentionGiveTheSameRowsHoweverThePromptIsCut) {
  for (const int variant : {0, 1, 2, 3, 4, 5, 6, 7}) {
    Layer layer;
    if (variant == 0) layer.spec.chunk = 50;
    if (variant == 1) layer.spec.soft_cap = 0.7F;
    if (variant == 2) layer.spec.value_dim = 24;
    if (variant == 3 || variant == 5) layer.spec.sinks = &layer.sinks;
    if (variant == 5) layer.spec.window = 20;
    if (variant == 6) layer.spec.sparse = {.block = 7, .local = 2, .stride = 5, .head_step = 1};
    if (variant == 7) layer.spec.sparse = {.block = 64, .local = 1, .stride = 2, .head_step = 0};
    if (variant == 4) {
      layer.spec.value_dim = 24;
      layer.own_values = false;
    }
    const Matrix expected = layer.twin(0, positions);
    const auto runner = load(layer);
    const auto saved_and_restored = [&](const Cache& cache) {
      formats::TensorTable saved("saved");
      for (formats::Tensor& tensor : cache.save()) saved.add(std::move(tensor));
      return runner->restore_cache({}, saved);
    };
    for (const std::span<const int> chunks : {std::span<const int>(whole), std::span<const int>(ragged)}) {
      const auto cache = runner->new_cache({});
      EXPECT_LE(max_difference(advance_in(*runner, *cache, chunks), expected), close()) << variant;
      EXPECT_LE(cache->bytes(), cache_bytes(layer.plan(), {}, positions, backend_->cache_element_bytes()));
    }
    const auto cache = runner->new_cache({});
    advance(*runner, *cache, 145);
    for (const int n : {64, 110, 144, 145}) {  // chunks of 50 begin at 50 and 100
      if (layer.spec.window > 0 && n < 144) continue;
      const int point = cache->resume_point(n);
      EXPECT_EQ(point, variant == 0 && n < 100 ? 0 : n) << variant;
      const auto fork = saved_and_restored(*cache->fork(point));
      const Matrix found = advance(*runner, *fork, positions - point);
      EXPECT_LE(max_difference(found, layer.twin(point, positions - point)), close()) << variant << ", " << n;
    }
    const auto alone = backend_->load([&layer](Graph& g) { layer.forward(g); }, layer.plan());
    Outputs outputs;
    alone->run(testing::plain_step(60), outputs);
    EXPECT_LE(max_difference(outputs.at("logits"), layer.twin(0, 60)), close()) << variant;
  }
}

TEST_P(Caches, ALayerReadsWhatAnotherHasKept) {
  const Layer layer;
  const auto runner = backend_->load(
      [&](Graph& g) {
        layer.forward(g);
        const Value again = g.columns(g.embedding(layer.weight), 0, layer.q_width());
        g.output("again", g.out_rows(g.attention(layer.spec, again)));
      },
      layer.plan());
  const auto cache = runner->new_cache({});
  for (const int count : {70, 1, 129}) {
    Step step = testing::plain_step(count, cache.get());
    for (std::int32_t& token : step.tokens) token += cache->length();
    Outputs outputs;
    runner->run(step, outputs);
    EXPECT_EQ(max_difference(outputs.at("again"), outputs.at("logits")), 0);
  }
  EXPECT_EQ(cache->length(), positions);
  const auto lonely = backend_->load(
      [&](Graph& g) {
        Attention misfit = layer.spec;
        misfit.value_dim = 31;
        const Value q = g.columns(g.embedding(layer.weight), 0, layer.q_width());
        g.output("logits", g.attention(misfit, q));
      },
      layer.plan());
  EXPECT_THROW(advance(*lonely, *lonely->new_cache({}), 3), Error);
}

TEST_P(Caches, QuantizedOnesAreNearAndDoNotDependOnCutting) {
  const Layer layer;
  const Matrix exact = layer.twin(0, positions);
  const auto runner = load(layer);
  for (const auto& [bits, tolerance] : {std::pair(8, 0.05), std::pair(4, 0.6)}) {
    const CacheOptions options{.kv_bits = bits};  // groups of 64 asked, heads of 32: groups of 32 taken
    const auto one = runner->new_cache(options);
    const auto other = runner->new_cache(options);
    const Matrix found = advance_in(*runner, *one, whole);
    EXPECT_LE(max_difference(found, exact), tolerance) << bits;
    EXPECT_GT(max_difference(found, exact), tolerance / 1000) << bits << " bits seem not to be used";
    EXPECT_LE(max_difference(found, advance_in(*runner, *other, ragged)), close()) << bits;
  }
}

TEST_P(Caches, BytesAreWhatWasForetold) {
  const Layer layer;
  const auto runner = load(layer);
  for (const int bits : {0, 4, 8}) {
    const CacheOptions options{.kv_bits = bits};
    const auto cache = runner->new_cache(options);
    EXPECT_EQ(cache->bytes(), 0U);
    advance_in(*runner, *cache, ragged);
    const std::size_t most = cache_bytes(layer.plan(), options, positions, backend_->cache_element_bytes());
    EXPECT_LE(cache->bytes(), most);
    EXPECT_GE(cache->bytes(), most * positions / (positions + cache_block) / (bits > 0 ? 2 : 1));
    if (bits == 0 && GetParam().backend == std::string("cpu")) EXPECT_EQ(cache->bytes(), most);
  }
  Layer sliding;
  sliding.spec.window = 10;
  const auto runner2 = load(sliding);
  const auto cache = runner2->new_cache({});
  advance_in(*runner2, *cache, ragged);
  const std::size_t most = cache_bytes(sliding.plan(), {}, positions, backend_->cache_element_bytes());
  EXPECT_LE(cache->bytes(), most);
  EXPECT_LT(most, cache_bytes(layer.plan(), {}, positions, backend_->cache_element_bytes()));
  // "No limit" in the largest number there is: as much as without one, not an overflow to nothing.
  EXPECT_EQ(cache_bytes(layer.plan(), {.max_kv_size = std::numeric_limits<int>::max()}, positions, 2),
            cache_bytes(layer.plan(), {}, positions, 2));
}

TEST_P(Caches, ForksGoOnFromAnyPositionAndLeaveTheFirstAlone) {
  const Layer layer;
  const auto runner = load(layer);
  const auto cache = runner->new_cache({});
  advance(*runner, *cache, 150);
  for (const int n : {0, 1, 63, 64, 65, 128, 149, 150}) {
    ASSERT_EQ(cache->resume_point(n), n);
    const auto fork = cache->fork(n);
    EXPECT_EQ(fork->length(), n);
    EXPECT_LE(max_difference(advance(*runner, *fork, positions - n), layer.twin(n, positions - n)), close())
        << n;
  }
  EXPECT_EQ(cache->length(), 150);
  EXPECT_EQ(cache->resume_point(1000), 150);
  EXPECT_LE(max_difference(advance(*runner, *cache, 50), layer.twin(150, 50)), close());
}

TEST_P(Caches, SlidingLayersResumeOnlyWhereTheirWindowIsStillThere) {
  for (const CacheOptions& options : {CacheOptions{}, CacheOptions{.max_kv_size = 10, .keep = 2}}) {
    Layer layer;
    layer.spec.window = options.max_kv_size > 0 ? 0 : 10;
    const auto runner = load(layer);
    const auto cache = runner->new_cache(options);
    advance(*runner, *cache, 190);
    EXPECT_EQ(cache->resume_point(190), 190);
    EXPECT_EQ(cache->resume_point(100), 0) << "position 100 looks at 91 and later, which are gone";
    EXPECT_THROW(cache->fork(100), Error);
    int resumable = 0;
    for (int n = 1; n <= 190; ++n) {
      const int point = cache->resume_point(n);
      EXPECT_TRUE(point == n || point == 0);
      if (point != n) continue;
      ++resumable;
      const auto fork = cache->fork(n);
      EXPECT_LE(max_difference(advance(*runner, *fork, 200 - n), layer.twin(n, 200 - n, options)), close())
          << n;
    }
    EXPECT_GE(resumable, 10);
  }
}

TEST_P(Caches, AStepThatFailsLeavesThemAsTheyWere) {
  const Layer layer;
  bool broken = false;
  const auto runner = backend_->load(
      [&](Graph& g) {
        layer.forward(g);
        if (broken) throw Error(ErrorKind::internal, "broken on purpose");
      },
      layer.plan());
  const auto cache = runner->new_cache({});
  advance(*runner, *cache, 100);
  broken = true;
  EXPECT_THROW(advance(*runner, *cache, 30), Error);
  broken = false;
  EXPECT_EQ(cache->length(), 100);
  EXPECT_LE(max_difference(advance(*runner, *cache, 100), layer.twin(100, 100)), close());
}

TEST_P(Caches, SavedOnesAreRestored) {
  for (const CacheOptions& options :
       {CacheOptions{}, CacheOptions{.kv_bits = 4}, CacheOptions{.kv_bits = 8, .max_kv_size = 80}}) {
    for (const int window : {0, 20}) {
      for (const int length : {0, 64, 150}) {
        Layer layer;
        layer.spec.window = window;
        const auto runner = load(layer);
        const auto cache = runner->new_cache(options);
        if (length > 0) advance(*runner, *cache, length);
        formats::TensorTable saved("saved");
        for (formats::Tensor& tensor : cache->save()) saved.add(std::move(tensor));
        const auto restored = runner->restore_cache(options, saved);
        EXPECT_EQ(restored->length(), length);
        EXPECT_EQ(restored->bytes(), cache->bytes());
        EXPECT_EQ(max_difference(advance(*runner, *restored, 50), advance(*runner, *cache, 50)), 0);
      }
    }
  }
}

TEST_P(Caches, SavedOnesThatDoNotFitAreRefused) {
  const Layer layer;
  const auto runner = load(layer);
  const auto cache = runner->new_cache({});
  advance(*runner, *cache, 150);
  const std::vector<formats::Tensor> sound = cache->save();
  const auto restore = [&](const std::function<void(formats::Tensor&)>& change, const CacheOptions& options) {
    formats::TensorTable saved("saved");
    for (formats::Tensor tensor : sound) {
      change(tensor);
      saved.add(std::move(tensor));
    }
    runner->restore_cache(options, saved);
  };
  const auto nothing = [](formats::Tensor&) {};
  EXPECT_NO_THROW(restore(nothing, {}));
  EXPECT_THROW(restore(nothing, {.kv_bits = 8}), Error) << "other options";
  const auto renamed = [](formats::Tensor& t) { t.name += "x"; };
  EXPECT_THROW(restore(renamed, {}), Error) << "missing tensors";
  const auto shorter = [](formats::Tensor& t) {
    if (t.name.starts_with("layers.0.keys")) t.shape[1] -= 1;
  };
  EXPECT_THROW(restore(shorter, {}), Error) << "a position too few";
  static const std::int32_t hole[] = {1, 1};
  const auto with_hole = [](formats::Tensor& t) {
    if (t.name == "layers.0.blocks") t.data = reinterpret_cast<const std::byte*>(hole);
  };
  EXPECT_THROW(restore(with_hole, {}), Error) << "a block is missing";
  static const std::int32_t negative[] = {-1};
  const auto shrunk = [](formats::Tensor& t) {
    if (t.name == "length") t.data = reinterpret_cast<const std::byte*>(negative);
  };
  EXPECT_THROW(restore(shrunk, {}), Error) << "a negative length";
}

TEST_P(Caches, SavedOnesMustHoldTheirFirstPositions) {
  const Layer layer;
  const CacheOptions options{.max_kv_size = 20, .keep = 4};
  const auto runner = load(layer);
  const auto cache = runner->new_cache(options);
  advance(*runner, *cache, 190);
  static const std::int32_t other_block[] = {1};
  formats::TensorTable sound("saved");
  formats::TensorTable changed("saved");
  for (formats::Tensor tensor : cache->save()) {
    sound.add(tensor);
    if (tensor.name == "layers.0.blocks") {
      ASSERT_EQ(tensor.shape, std::vector<std::int64_t>{1}) << "the block of the first positions alone";
      tensor.data = reinterpret_cast<const std::byte*>(other_block);
    }
    changed.add(std::move(tensor));
  }
  EXPECT_EQ(runner->restore_cache(options, sound)->length(), 190);
  EXPECT_THROW(runner->restore_cache(options, changed), Error);
}

TEST_P(Caches, ComputeOnAnotherThreadThanTheirBackendsMaker) {
  const Layer layer;
  std::unique_ptr<Cache> cache;
  Matrix found;
  std::thread computing([&] {
    const auto runner = load(layer);
    cache = runner->new_cache({});
    found = advance(*runner, *cache, positions);
  });
  computing.join();
  EXPECT_LE(max_difference(found, layer.twin(0, positions)), close());
  EXPECT_EQ(cache->length(), positions);  // and it goes away here
}

TEST_P(Caches, OptionsThatMakeNoSenseAreRefused) {
  const Layer layer;
  const auto runner = load(layer);
  const auto kind_of = [&](const CacheOptions& options) {
    try {
      runner->new_cache(options);
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::interrupted;
  };
  EXPECT_EQ(kind_of({.kv_bits = 5}), ErrorKind::usage);
  EXPECT_EQ(kind_of({.max_kv_size = 4, .keep = 4}), ErrorKind::usage);
  EXPECT_EQ(kind_of({.kv_bits = 4, .kv_group_size = 16}), ErrorKind::unsupported);
}

INSTANTIATE_TEST_SUITE_P(Backends, Caches, ::testing::ValuesIn(testing::every_backend),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace pome::graph
