// Models whose layers carry states, under the engine: prefixes are resumed where a state was kept, and
// answers are what they are without any sharing.
#include <gtest/gtest.h>

#include "engine/testing.h"

namespace pome::engine {
namespace {

using testing::make_request;
using testing::run;

testing::Fake open_golden(const char* name) {
  testing::Fake opened;
  opened.instance->loaded = models::load_model(fs::path(POME_SOURCE_DIR) / "tests" / "golden" / name);
  const models::Model& model = *opened.instance->loaded->model;
  static const auto backend =
      graph::make_backend("cpu", {.precision = graph::Precision::exact, .threads = 2});
  opened.instance->runner =
      backend->load([&model](graph::Graph& g) { model.forward(g); }, model.cache_plan());
  return opened;
}

std::vector<std::int32_t> prompt_of(const testing::Fake& opened, int length) {
  std::vector<std::int32_t> prompt = testing::made_up_prompt(length);
  for (std::int32_t& id : prompt) id %= opened.instance->loaded->model->info().vocab_size;
  return prompt;
}

class EngineStates : public ::testing::TestWithParam<const char*> {};

TEST_P(EngineStates, PrefixesResumeAtCheckpointsOnlyAndChangeNoAnswer) {
  const testing::Fake opened = open_golden(GetParam());
  const std::vector<std::int32_t> whole = prompt_of(opened, 100);
  const auto answer = [&](Engine& engine, int length, bool share, std::vector<int> checkpoints = {}) {
    Request request = make_request(opened, {whole.begin(), whole.begin() + length}, 12);
    request.share_prefix = share;
    request.checkpoints = std::move(checkpoints);
    return run(engine, std::move(request));
  };
  Engine alone, engine;
  const auto same_as_alone = [&](const testing::Result& found, int length) {
    EXPECT_TRUE(found.finished());
    EXPECT_EQ(found.tokens, answer(alone, length, false).tokens) << length;
  };
  const testing::Result first = answer(engine, 80, true, {40});
  EXPECT_EQ(first.last.stats.cached_tokens, 0);
  same_as_alone(first, 80);
  const testing::Result longer = answer(engine, 100, true);
  EXPECT_EQ(longer.last.stats.cached_tokens, 80) << "the end of the first prompt";
  same_as_alone(longer, 100);
  const testing::Result branch = answer(engine, 60, true);
  EXPECT_EQ(branch.last.stats.cached_tokens, 40) << "the checkpoint asked for";
  same_as_alone(branch, 60);
}

TEST_P(EngineStates, RequestsTogetherAnswerAsEachAlone) {
  const testing::Fake opened = open_golden(GetParam());
  Engine engine({.max_step_tokens = 32});
  std::vector<std::unique_ptr<Stream>> streams;
  const int lengths[] = {100, 3, 47, 64};
  const auto request_of = [&](int length) {
    std::vector<std::int32_t> prompt = prompt_of(opened, length);
    prompt[0] = length % 16;
    Request request = make_request(opened, std::move(prompt), 10);
    request.share_prefix = false;
    return request;
  };
  for (const int length : lengths) streams.push_back(engine.submit(request_of(length)));
  std::vector<testing::Result> together;
  for (const auto& stream : streams) together.push_back(testing::read_all(*stream));
  for (std::size_t i = 0; i < streams.size(); ++i) {  // a runner is one engine's at a time: all are done
    EXPECT_EQ(together[i].tokens, run(engine, request_of(lengths[i])).tokens) << lengths[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, EngineStates,
                         ::testing::Values("mamba2/groups", "lfm2/plain", "qwen3_next/published"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('/'));
                         });

}  // namespace
}  // namespace pome::engine
