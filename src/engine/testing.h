// For this room's tests: a model that needs no files and no backend.
//
// Its logits are a hash of the last tokens that its cache holds, so that a wrong cache, position, adapter or
// order of tokens changes the output.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "base/error.h"
#include "engine/engine.h"

namespace pome::engine::testing {

inline constexpr int fake_vocabulary = 64;
inline constexpr int fake_context = 4096;
inline constexpr int fake_depth = 6;  // tokens that a logit depends on

inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Logits after `tokens`, of which the last is at position tokens.size() - 1.
inline std::vector<float> fake_logits(std::span<const std::int32_t> tokens, int adapter = 0) {
  std::uint64_t state = mix(static_cast<std::uint64_t>(adapter) + 1);
  const std::size_t seen = std::min<std::size_t>(tokens.size(), fake_depth);
  for (const std::int32_t token : tokens.last(seen))
    state = mix(state * 31 + static_cast<std::uint64_t>(token));
  state = mix(state + tokens.size());
  std::vector<float> logits;
  for (std::uint64_t id = 0; id < fake_vocabulary; ++id) {
    logits.push_back(static_cast<float>(mix(state + id * 0x9e3779b97f4a7c15u) >> 40) / 0x1p21f - 4);
  }
  return logits;
}

// Remembers the tokens themselves. With a window it forgets those that no later position looks at.
class FakeCache final : public graph::Cache {
 public:
  explicit FakeCache(int window) : window_(window) {}

  int length() const override { return static_cast<int>(tokens_.size()); }
  int resume_point(int n) const override {
    const int m = std::clamp(n, 0, length());
    return m - window_ + 1 >= forgotten_ || forgotten_ == 0 || m == length() ? m : 0;
  }
  std::unique_ptr<Cache> fork(int n) const override {
    if (resume_point(n) != n) fail(ErrorKind::internal, "cache of {}: cannot resume from {}", length(), n);
    auto copy = std::make_unique<FakeCache>(window_);
    copy->tokens_.assign(tokens_.begin(), tokens_.begin() + n);
    copy->forgotten_ = n == 0 ? 0 : forgotten_;
    return copy;
  }
  std::size_t bytes() const override { return tokens_.size() * 100; }
  std::vector<formats::Tensor> save() const override { return {}; }

  std::span<const std::int32_t> tokens() const { return tokens_; }
  void append(std::int32_t token) {
    tokens_.push_back(token);
    if (window_ > 0) forgotten_ = std::max(forgotten_, length() - window_);
    for (int i = 0; i < forgotten_; ++i) tokens_[static_cast<std::size_t>(i)] = -1;  // must not matter
  }
  void truncate(int n) { tokens_.resize(static_cast<std::size_t>(n)); }

 private:
  int window_;
  int forgotten_ = 0;
  std::vector<std::int32_t> tokens_;
};

class FakeRunner final : public graph::Runner {
 public:
  explicit FakeRunner(int window) : window_(window) {}

  std::unique_ptr<graph::Cache> new_cache(const graph::CacheOptions&) override {
    return std::make_unique<FakeCache>(window_);
  }
  std::unique_ptr<graph::Cache> restore_cache(const graph::CacheOptions&,
                                              const formats::TensorTable&) override {
    return std::make_unique<FakeCache>(window_);
  }

  std::uint64_t recorded_programs() const override { return 0; }

  void run(const graph::Step& step, graph::Outputs& outputs) override {
    if (on_step) on_step(step);  // may throw
    EXPECT_TRUE(thread_ == std::thread::id{} || thread_ == std::this_thread::get_id());
    thread_ = std::this_thread::get_id();
    ++steps;
    rows += static_cast<int>(step.tokens.size());
    std::set<const graph::Cache*> caches;
    graph::Matrix logits;
    logits.width = fake_vocabulary;
    int next = 0;
    for (const graph::Segment& segment : step.segments) {
      EXPECT_EQ(segment.begin, next);
      next += segment.length;
      EXPECT_TRUE(caches.insert(segment.cache).second);
      auto& cache = dynamic_cast<FakeCache&>(*segment.cache);
      EXPECT_LE(cache.length() + segment.length, segment.planned_length);
      for (int i = segment.begin; i < next; ++i) {
        cache.append(step.tokens[static_cast<std::size_t>(i)]);
        if (!std::binary_search(step.out_rows.begin(), step.out_rows.end(), i)) continue;
        const std::vector<float> row = fake_logits(cache.tokens(), segment.adapter);
        logits.values.insert(logits.values.end(), row.begin(), row.end());
        if (on_row) on_row(std::span(logits.values).last(row.size()), cache.tokens());
        ++logits.rows;
      }
    }
    EXPECT_EQ(static_cast<std::size_t>(next), step.tokens.size());
    outputs["logits"] = std::move(logits);
  }

  // Set before the first request.
  std::function<void(const graph::Step&)> on_step;
  std::function<void(std::span<float>, std::span<const std::int32_t>)> on_row;
  std::atomic<int> steps = 0;
  std::atomic<int> rows = 0;

 private:
  int window_;
  std::thread::id thread_;
};

class FakeModel final : public models::Model {
 public:
  explicit FakeModel(int window) : window_(window) {
    info_.family = "fake";
    info_.vocab_size = fake_vocabulary;
    info_.context_length = fake_context;
  }
  void forward(graph::Graph&) const override {}
  const models::Info& info() const override { return info_; }
  graph::CachePlan cache_plan() const override { return {{1, 64, window_}}; }

 private:
  int window_;
  models::Info info_;
};

// Tokens 0 … 25 are letters; some others are whole words or parts of a character.
inline std::shared_ptr<const text::Tokenizer> fake_tokenizer() {
  Json vocabulary = Json::object();
  for (int id = 0; id < 26; ++id) vocabulary[std::string(1, static_cast<char>('a' + id))] = id;
  const char* words[] = {" ", "\n", ".", "STOP", "ST", "OP", "\xC3\xA9", "<0xE2>", "<0x82>", "<0xAC>"};
  for (const char* word : words) vocabulary[word] = vocabulary.size();
  while (vocabulary.size() < fake_vocabulary)
    vocabulary["[" + std::to_string(vocabulary.size()) + "]"] = vocabulary.size();
  const Json json = {
      {"version", "1.0"},
      {"added_tokens", Json::array()},
      {"decoder",
       {{"type", "Sequence"}, {"decoders", Json::array({{{"type", "ByteFallback"}}, {{"type", "Fuse"}}})}}},
      {"model",
       {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  return text::Tokenizer::parse(json.dump());
}

struct Fake {
  std::shared_ptr<Instance> instance = std::make_shared<Instance>();
  FakeRunner* runner = nullptr;
};

inline Fake make_fake(int window = 0, std::shared_ptr<const text::Tokenizer> tokenizer = nullptr) {
  Fake fake;
  fake.instance->loaded = std::make_shared<models::LoadedModel>();
  fake.instance->loaded->model = std::make_unique<FakeModel>(window);
  fake.instance->loaded->fingerprint = "fake";
  fake.instance->tokenizer = std::move(tokenizer);
  auto runner = std::make_unique<FakeRunner>(window);
  fake.runner = runner.get();
  fake.instance->runner = std::move(runner);
  return fake;
}

inline std::vector<std::int32_t> made_up_prompt(int length, std::uint64_t seed = 1) {
  std::vector<std::int32_t> prompt;
  for (int i = 0; i < length; ++i) {
    prompt.push_back(
        static_cast<std::int32_t>(mix(seed * 1000003 + static_cast<std::uint64_t>(i)) % fake_vocabulary));
  }
  return prompt;
}

inline Request make_request(const Fake& fake, std::vector<std::int32_t> prompt, int max_tokens) {
  Request request;
  request.instance = fake.instance;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  return request;
}

struct Result {
  std::vector<std::int32_t> tokens;
  std::string text;
  std::vector<Event> events;  // all of them, in order
  Event last;

  bool finished() const { return last.kind == Event::Kind::finished; }
};

inline Result read_all(Stream& stream) {
  Result result;
  while (std::optional<Event> event = stream.next()) {
    if (event->kind == Event::Kind::token) result.tokens.push_back(event->token);
    result.text += event->text;
    result.events.push_back(*event);
    result.last = *event;
  }
  return result;
}

inline Result run(Engine& engine, Request request) { return read_all(*engine.submit(std::move(request))); }

// What a greedy request must give, without engine, cache or batches.
inline std::vector<std::int32_t> greedy_tokens(std::vector<std::int32_t> tokens, int count, int adapter = 0) {
  std::vector<std::int32_t> output;
  for (int i = 0; i < count; ++i) {
    const std::vector<float> logits = fake_logits(tokens, adapter);
    output.push_back(
        static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    tokens.push_back(output.back());
  }
  return output;
}

}  // namespace pome::engine::testing
