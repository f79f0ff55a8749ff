// Every case under tests/golden/<family>/ against its reference (see tests/golden/README.md): logits, layers
// and greedy continuation of one whole pass; the same logits from any cutting of the prompt, and packed with
// others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

#include "formats/safetensors.h"
#include "models/model.h"

namespace pome::models {
namespace {

using graph::Matrix;

// Largest differences, as parts of the logits' standard deviation.
struct Arithmetic {
  const char* name;
  const char* backend;
  graph::Precision precision;
  double tolerance;       // against the reference
  double self_tolerance;  // against another way of computing the same
};

constexpr Arithmetic arithmetics[] = {
    {"reference", "reference", graph::Precision::exact, 1e-3, 1e-4},
    {"cpu_exact", "cpu", graph::Precision::exact, 1e-3, 0},
    {"cpu", "cpu", graph::Precision::standard, 2e-2, 0},
};

const fs::path golden_root = fs::path(POME_SOURCE_DIR) / "tests" / "golden";

// Folders of cases; `adapter` is empty or the adapter's folder inside the base.
struct Case {
  fs::path folder;
  fs::path adapter;
  const Arithmetic* arithmetic = nullptr;

  // <family>__<case>_<arithmetic>, the family as ctest's golden/<family> asks for it
  std::string name() const {
    std::string text = fs::relative(adapter.empty() ? folder : adapter, golden_root).string();
    text.insert(text.find('/'), "_");
    std::replace_if(text.begin(), text.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
    return text + "_" + arithmetic->name;
  }
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name(); }

std::vector<Case> find_cases() {
  std::vector<Case> cases;
  for (const Arch* arch : registry()) {
    const fs::path family = golden_root / arch->name;
    if (!fs::is_directory(family)) continue;
    for (const auto& entry : fs::directory_iterator(family)) {
      if (!fs::exists(entry.path() / "config.json")) continue;
      for (const Arithmetic& arithmetic : arithmetics) {
        cases.push_back({entry.path(), {}, &arithmetic});
        for (const auto& inner : fs::directory_iterator(entry.path())) {
          if (!fs::exists(inner.path() / "adapter_config.json")) continue;
          cases.push_back({entry.path(), inner.path(), &arithmetic});
        }
      }
    }
  }
  std::sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) { return a.name() < b.name(); });
  return cases;
}

template <class T>
std::vector<T> values_of(const formats::Tensor& tensor) {
  std::vector<T> values(static_cast<std::size_t>(tensor.elements()));
  std::memcpy(values.data(), tensor.data, tensor.size_bytes);
  return values;
}

std::vector<std::int32_t> every_row(int count) {
  std::vector<std::int32_t> rows;
  for (int i = 0; i < count; ++i) rows.push_back(i);
  return rows;
}

double deviation(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (const float v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (const float v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double max_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= most)) most = difference;  // a NaN stays
  }
  return most;
}

class Golden : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto& [folder, adapter_folder, arithmetic] = GetParam();
    loaded_ = load_model(folder);
    if (!adapter_folder.empty()) adapter_ = add_adapter(*loaded_, adapter_folder);
    runner_ =
        backend().load([this](graph::Graph& g) { loaded_->model->forward(g); }, loaded_->model->cache_plan());
    const fs::path file = (adapter_folder.empty() ? folder : adapter_folder) / "golden.safetensors";
    golden_ = formats::open_safetensors(file).tensors;
    tokens_ = values_of<std::int32_t>(golden_.at("tokens"));
    logits_ = values_of<float>(golden_.at("logits"));
    spread_ = deviation(logits_);
    ASSERT_GT(spread_, 0);
  }

  static graph::Backend& backend() {
    static std::map<std::string_view, std::unique_ptr<graph::Backend>> made;
    const Arithmetic& arithmetic = *GetParam().arithmetic;
    auto& one = made[arithmetic.name];
    if (one == nullptr)
      one = graph::make_backend(arithmetic.backend, {.precision = arithmetic.precision, .threads = 3});
    return *one;
  }

  static double tolerance() { return GetParam().arithmetic->tolerance; }
  static double self_tolerance() { return GetParam().arithmetic->self_tolerance; }

  int length() const { return static_cast<int>(tokens_.size()); }

  // Rows of `tokens` behind what the cache holds, all of them as outputs.
  graph::Outputs run(std::span<const std::int32_t> tokens, graph::Cache* cache, int planned,
                     bool layers = false) {
    graph::Step step;
    step.tokens.assign(tokens.begin(), tokens.end());
    const int count = static_cast<int>(tokens.size());
    step.segments = {
        {.begin = 0, .length = count, .cache = cache, .adapter = adapter_, .planned_length = planned}};
    step.out_rows = every_row(count);
    step.layer_outputs = layers;
    graph::Outputs outputs;
    runner_->run(step, outputs);
    return outputs;
  }

  std::vector<float> in_chunks(int chunk) {
    const auto cache = runner_->new_cache({});
    std::vector<float> all;
    for (int begin = 0; begin < length(); begin += chunk) {
      const int count = std::min(chunk, length() - begin);
      const auto part =
          std::span(tokens_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
      const Matrix logits = run(part, cache.get(), length()).at("logits");
      all.insert(all.end(), logits.values.begin(), logits.values.end());
    }
    EXPECT_EQ(cache->length(), length());
    return all;
  }

  double error_against(std::span<const float> reference, std::span<const float> found) const {
    return max_difference(reference, found) / spread_;
  }

  std::vector<std::int32_t> greedy(int planned, int count) {
    const auto cache = runner_->new_cache({});
    std::vector<std::int32_t> found;
    Matrix logits = run(tokens_, cache.get(), planned).at("logits");
    while (true) {
      const std::span<const float> last = logits.row(logits.rows - 1);
      found.push_back(static_cast<std::int32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
      if (static_cast<int>(found.size()) == count) return found;
      logits = run(std::span(found).last(1), cache.get(), planned).at("logits");
    }
  }

  std::shared_ptr<LoadedModel> loaded_;
  int adapter_ = 0;
  std::unique_ptr<graph::Runner> runner_;
  formats::TensorTable golden_;
  std::vector<std::int32_t> tokens_;
  std::vector<float> logits_;
  double spread_ = 0;
};

TEST_P(Golden, WholePassAgreesWithTheReference) {
  const graph::Outputs outputs = run(tokens_, nullptr, length(), true);
  const formats::Tensor& layers = golden_.at("layers");
  const std::vector<float> reference = values_of<float>(layers);
  const std::size_t per_layer = reference.size() / static_cast<std::size_t>(layers.shape.at(0));
  double worst_layer = 0;
  for (std::int64_t i = 0; i < layers.shape.at(0); ++i) {
    const auto expected = std::span(reference).subspan(static_cast<std::size_t>(i) * per_layer, per_layer);
    const auto found = outputs.find(fmt::format("layers.{}", i));
    ASSERT_NE(found, outputs.end()) << "layer " << i;
    const double error = max_difference(expected, found->second.values) / deviation(expected);
    EXPECT_LE(error, tolerance()) << "layer " << i << " is the first that differs";
    worst_layer = std::max(worst_layer, error);
  }
  const double error = error_against(logits_, outputs.at("logits").values);
  EXPECT_LE(error, tolerance());
  std::printf("  %-44s logits %.1e  layers %.1e\n", GetParam().name().c_str(), error, worst_layer);
}

TEST_P(Golden, GreedyContinuationAgreesWithTheReference) {
  const bool grows = golden_.contains("greedy_final_length");
  const auto expected = values_of<std::int32_t>(golden_.at(grows ? "greedy_final_length" : "greedy"));
  const int count = static_cast<int>(expected.size());
  EXPECT_EQ(greedy(length() + count, count), expected);
}

TEST_P(Golden, AnyCuttingOfThePromptGivesTheSameLogits) {
  const std::vector<float> whole = run(tokens_, nullptr, length()).at("logits").values;
  for (const int chunk : {1, 7, 13, length()}) {
    EXPECT_LE(error_against(whole, in_chunks(chunk)), self_tolerance()) << "chunks of " << chunk;
  }
}

TEST_P(Golden, ResumedFromACheckpointGivesTheSameLogits) {
  const Matrix whole = run(tokens_, nullptr, length()).at("logits");
  constexpr int point = 23;
  const auto cache = runner_->new_cache({});
  run(std::span(tokens_).first(point), cache.get(), length());
  ASSERT_EQ(cache->resume_point(point), point);
  const auto fork = cache->fork(point);
  formats::TensorTable saved("saved");
  for (const formats::Tensor& tensor : cache->save()) saved.add(tensor);
  run(std::span(tokens_).subspan(point, 5), cache.get(), length());  // must not reach the others
  const auto restored = runner_->restore_cache({}, saved);
  for (graph::Cache* resumed : {fork.get(), restored.get()}) {
    const Matrix rest = run(std::span(tokens_).subspan(point), resumed, length()).at("logits");
    const auto expected = std::span(whole.values).last(rest.values.size());
    EXPECT_LE(error_against(expected, rest.values), self_tolerance());
  }
}

TEST_P(Golden, PackedWithOthersGivesTheSameLogits) {
  // Three sequences at different places, one of them behind a cache.
  const auto cache = runner_->new_cache({});
  run(std::span(tokens_).first(10), cache.get(), length());
  graph::Step step;
  step.tokens.assign(tokens_.begin() + 20, tokens_.begin() + 25);
  step.tokens.insert(step.tokens.end(), tokens_.begin() + 10, tokens_.end());
  step.tokens.insert(step.tokens.end(), tokens_.begin(), tokens_.end());
  const int rest = length() - 10;
  step.segments = {
      {.begin = 0, .length = 5, .cache = nullptr, .adapter = 0, .planned_length = 5},
      {.begin = 5, .length = rest, .cache = cache.get(), .adapter = adapter_, .planned_length = length()},
      {.begin = 5 + rest,
       .length = length(),
       .cache = nullptr,
       .adapter = adapter_,
       .planned_length = length()}};
  step.out_rows = every_row(static_cast<int>(step.tokens.size()));
  graph::Outputs outputs;
  runner_->run(step, outputs);
  const Matrix& packed = outputs.at("logits");
  const auto width = static_cast<std::size_t>(packed.width);
  const std::span<const float> all = packed.values;
  const auto alone = run(tokens_, nullptr, length()).at("logits");
  const auto tail = std::span(alone.values).subspan(10 * width);
  EXPECT_LE(error_against(tail, all.subspan(5 * width, tail.size())), self_tolerance());
  EXPECT_LE(error_against(alone.values, all.subspan(5 * width + tail.size())), self_tolerance());

  adapter_ = 0;
  const auto base = run(std::span(tokens_).subspan(20, 5), nullptr, 5).at("logits");
  EXPECT_LE(error_against(base.values, all.first(5 * width)), self_tolerance());
}

TEST_P(Golden, OnlyTheWantedRowsComeBack) {
  const Matrix all = run(tokens_, nullptr, length()).at("logits");
  graph::Step step;
  step.tokens = tokens_;
  step.segments = {
      {.begin = 0, .length = length(), .cache = nullptr, .adapter = adapter_, .planned_length = length()}};
  step.out_rows = {3, 17, length() - 1};
  graph::Outputs outputs;
  runner_->run(step, outputs);
  const Matrix& some = outputs.at("logits");
  ASSERT_EQ(some.rows, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_LE(error_against(all.row(step.out_rows[static_cast<std::size_t>(i)]), some.row(i)),
              self_tolerance());
  }
  EXPECT_FALSE(outputs.contains("layers.0"));
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(find_cases()),
                         [](const auto& info) { return info.param.name(); });

TEST(GoldenCases, EveryFamilyHasSome) {
  const std::vector<Case> cases = find_cases();
  for (const Arch* arch : registry()) {
    const bool found = std::any_of(cases.begin(), cases.end(), [&](const Case& c) {
      return c.folder.parent_path().filename() == arch->name;
    });
    EXPECT_TRUE(found) << arch->name << " has no case under tests/golden";
  }
}

TEST(GoldenCases, HaveTheCachesThatTheirFamilyNames) {
  std::map<std::string, CacheKinds> seen;
  for (const Case& c : find_cases()) {
    if (!c.adapter.empty()) continue;
    const auto loaded = load_model(c.folder);
    const CacheKinds kinds = cache_kinds(loaded->model->cache_plan());
    CacheKinds& all = seen[std::string(loaded->arch->name)];
    all = {all.full || kinds.full, all.sliding || kinds.sliding, all.latent || kinds.latent,
           all.state || kinds.state};
  }
  const auto text = [](const CacheKinds& kinds) {
    return fmt::format("full {} sliding {} latent {} state {}", kinds.full, kinds.sliding, kinds.latent,
                       kinds.state);
  };
  for (const Arch* arch : registry()) {
    EXPECT_EQ(text(arch->caches), text(seen[std::string(arch->name)])) << arch->name;
  }
}

}  // namespace
}  // namespace pome::models
