#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <latch>
#include <limits>
#include <numeric>

#include "engine/testing.h"

namespace pome::engine {
namespace {

using namespace testing;
using Kind = Event::Kind;

TEST(Engine, GivesTheGreedyTokensOfTheModel) {
  const Fake fake = make_fake();
  Engine engine;
  for (const int length : {1, 2, 31, 64, 700}) {
    const Result result = run(engine, make_request(fake, made_up_prompt(length), 20));
    EXPECT_EQ(result.tokens, greedy_tokens(made_up_prompt(length), 20)) << length;
    EXPECT_TRUE(result.finished());
    EXPECT_EQ(result.last.reason, FinishReason::length);
    EXPECT_EQ(result.last.stats.prompt_tokens, length);
    EXPECT_EQ(result.last.stats.generated_tokens, 20);
  }
}

TEST(Engine, CutsPromptsIntoStepsAndReportsProgress) {
  const Fake fake = make_fake();
  int most_rows = 0;
  fake.runner->on_step = [&](const graph::Step& step) {
    most_rows = std::max(most_rows, static_cast<int>(step.tokens.size()));
  };
  Options options;
  options.max_step_tokens = 48;
  Engine engine(options);
  const Result result = run(engine, make_request(fake, made_up_prompt(500), 3));
  EXPECT_EQ(result.tokens, greedy_tokens(made_up_prompt(500), 3));
  EXPECT_LE(most_rows, 48);
  int done = 0;
  for (const Event& event : result.events) {
    if (event.kind != Kind::prompt_progress) continue;
    EXPECT_GT(event.done, done);
    EXPECT_EQ(event.total, 500);
    done = event.done;
  }
  EXPECT_EQ(done, 500);
}

TEST(Engine, SamplesTheSameAloneAndBesideOthers) {
  const Fake fake = make_fake();
  const auto request = [&](std::uint64_t seed) {
    Request r = make_request(fake, made_up_prompt(40 + static_cast<int>(seed) * 7, seed), 50);
    r.sampling.temperature = 0.9f;
    r.sampling.top_p = 0.95f;
    r.sampling.repetition_penalty = 1.1f;
    r.sampling.xtc_probability = 0.3f;
    r.sampling.seed = seed;
    r.share_prefix = seed % 2 == 0;
    return r;
  };
  std::vector<Result> alone;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    Engine engine;
    alone.push_back(run(engine, request(seed)));
  }
  Engine engine;
  std::vector<std::unique_ptr<Stream>> streams;
  for (std::uint64_t seed = 0; seed < 16; ++seed) streams.push_back(engine.submit(request(seed)));
  for (std::size_t i = 0; i < streams.size(); ++i) {
    EXPECT_EQ(read_all(*streams[i]).tokens, alone[i].tokens) << i;
  }
  EXPECT_NE(alone[0].tokens, alone[1].tokens);
}

TEST(Engine, AFreshSeedIsReportedAndReproduces) {
  const Fake fake = make_fake();
  Engine engine;
  Request request = make_request(fake, made_up_prompt(9), 30);
  request.sampling.temperature = 1;
  const Result first = run(engine, request);
  request.sampling.seed = first.last.stats.seed;
  EXPECT_EQ(run(engine, request).tokens, first.tokens);
  request.sampling.seed = first.last.stats.seed + 1;
  EXPECT_NE(run(engine, request).tokens, first.tokens);
}

TEST(Engine, AdaptersAndModelsKeepApart) {
  const Fake one = make_fake();
  const Fake two = make_fake();
  Engine engine;
  const auto prompt = made_up_prompt(100);
  Request adapted = make_request(one, prompt, 8);
  adapted.adapter = 3;
  EXPECT_EQ(run(engine, make_request(one, prompt, 8)).tokens, greedy_tokens(prompt, 8));
  const Result result = run(engine, adapted);
  EXPECT_EQ(result.tokens, greedy_tokens(prompt, 8, 3));
  EXPECT_EQ(result.last.stats.cached_tokens, 0);
  EXPECT_EQ(run(engine, make_request(two, prompt, 8)).last.stats.cached_tokens, 0);
}

TEST(Engine, ModelsTakeTurns) {
  const Fake one = make_fake();
  const Fake two = make_fake();
  std::string order;
  std::latch both(2);
  one.runner->on_step = [&](const graph::Step&) {
    if (order.empty()) both.wait();
    order += '1';
  };
  two.runner->on_step = [&](const graph::Step&) { order += '2'; };
  Engine engine;
  const auto first = engine.submit(make_request(one, {1}, 10));
  both.count_down();
  const auto second = engine.submit(make_request(two, {1}, 10));
  both.count_down();
  read_all(*first);
  read_all(*second);
  EXPECT_EQ(order, "12121212121212121212");
}

// ---- prefixes

TEST(Engine, ResumesTheLongestPrefixAndComputesAtLeastOneToken) {
  const Fake fake = make_fake();
  Engine engine;
  const auto prompt = made_up_prompt(200);
  const Result cold = run(engine, make_request(fake, prompt, 10));
  EXPECT_EQ(cold.last.stats.cached_tokens, 0);
  const int rows = fake.runner->rows;

  const Result warm = run(engine, make_request(fake, prompt, 10));
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(warm.last.stats.cached_tokens, 199);
  EXPECT_EQ(fake.runner->rows - rows, 10);

  auto longer = prompt;  // the conversation goes on
  longer.insert(longer.end(), cold.tokens.begin(), cold.tokens.end());
  longer.push_back(7);
  const Result next = run(engine, make_request(fake, longer, 5));
  EXPECT_EQ(next.last.stats.cached_tokens, 209);  // the last generated token was never computed
  EXPECT_EQ(next.tokens, greedy_tokens(longer, 5));

  auto branch = prompt;
  branch[150] ^= 1;
  const Result other = run(engine, make_request(fake, branch, 5));
  EXPECT_EQ(other.last.stats.cached_tokens, 150);
  EXPECT_EQ(other.tokens, greedy_tokens(branch, 5));

  Request apart = make_request(fake, prompt, 10);
  apart.share_prefix = false;
  EXPECT_EQ(run(engine, apart).last.stats.cached_tokens, 0);
}

TEST(Engine, SharesAPromptWhileItsFirstOwnerStillGenerates) {
  const Fake fake = make_fake();
  Engine engine;
  const auto first = engine.submit(make_request(fake, made_up_prompt(100), 400));
  while (first->next()->kind != Kind::token) {
  }
  const Result second = run(engine, make_request(fake, made_up_prompt(100), 3));
  EXPECT_EQ(second.last.stats.cached_tokens, 99);
  EXPECT_EQ(read_all(*first).tokens.size(), 399u);
}

TEST(Engine, SlidingWindowsResumeAtCheckpointsOnly) {
  const Fake fake = make_fake(/*window=*/16);
  Engine engine;
  const auto prompt = made_up_prompt(300);
  Request request = make_request(fake, prompt, 10);
  request.checkpoints = {100, 200};
  EXPECT_EQ(run(engine, request).tokens, greedy_tokens(prompt, 10));

  const auto cached = [&](std::vector<std::int32_t> tokens) {
    const Result result = run(engine, make_request(fake, tokens, 4));
    EXPECT_EQ(result.tokens, greedy_tokens(tokens, 4));
    return result.last.stats.cached_tokens;
  };
  auto branch = prompt;
  branch[250] ^= 1;
  EXPECT_EQ(cached(branch), 200);
  branch[150] ^= 1;
  EXPECT_EQ(cached(branch), 100);
  EXPECT_EQ(cached(prompt), 299);  // one before the end is still whole in a window of 16
  branch = prompt;
  branch[299] ^= 1;
  EXPECT_EQ(cached(branch), 299);
  branch = prompt;
  branch[260] ^= 1;
  EXPECT_EQ(cached(branch), 256);  // the last multiple of 64 before the prompt's end
}

TEST(Engine, ForgetsAModelOnDemandAndWhenItIsGone) {
  Engine engine;
  std::weak_ptr<Instance> gone;
  {
    const Fake fake = make_fake();
    run(engine, make_request(fake, made_up_prompt(100), 2));
    engine.forget(*fake.instance);
    EXPECT_EQ(run(engine, make_request(fake, made_up_prompt(100), 2)).last.stats.cached_tokens, 0);
    gone = fake.instance;
  }
  engine.run_job([] { return false; });  // by then the last request has been let go
  EXPECT_TRUE(gone.expired());
}

TEST(Engine, HandsCachesOutAndTakesThemBack) {
  const Fake fake = make_fake();
  Engine engine;
  const auto prompt = made_up_prompt(80);
  Request request = make_request(fake, prompt, 5);
  request.keep_cache = true;
  request.share_prefix = false;
  const auto stream = engine.submit(request);
  const Result first = read_all(*stream);
  std::vector<std::int32_t> tokens;
  const std::shared_ptr<graph::Cache> cache = stream->take_cache(tokens);
  ASSERT_NE(cache, nullptr);
  ASSERT_EQ(tokens.size(), 84u);  // the last token was never computed
  EXPECT_EQ(cache->length(), 84);

  Request next = make_request(fake, tokens, 5);
  next.prompt.push_back(5);
  next.share_prefix = false;
  next.initial_cache = cache;
  next.initial_tokens = tokens;
  const Result second = run(engine, next);
  EXPECT_EQ(second.last.stats.cached_tokens, 84);
  EXPECT_EQ(second.tokens, greedy_tokens(next.prompt, 5));
  next.prompt = tokens;  // nothing new: the last token is computed again
  EXPECT_EQ(run(engine, next).last.stats.cached_tokens, 83);
  EXPECT_EQ(cache->length(), 84);

  next.prompt[3] ^= 1;
  EXPECT_THROW(engine.submit(next), Error);
}

// ---- ends

TEST(Engine, ComputesOnlyThePromptForZeroTokens) {
  const Fake fake = make_fake();
  Engine engine;
  Request request = make_request(fake, made_up_prompt(50), 0);
  request.keep_cache = true;
  const auto stream = engine.submit(request);
  const Result result = read_all(*stream);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(result.last.reason, FinishReason::length);
  std::vector<std::int32_t> tokens;
  EXPECT_EQ(stream->take_cache(tokens)->length(), 50);
}

TEST(Engine, EndTokensEndTheOutput) {
  const Fake fake = make_fake();
  Engine engine;
  const auto prompt = made_up_prompt(12);
  const auto expected = greedy_tokens(prompt, 30);
  Request request = make_request(fake, prompt, 30);
  request.end_tokens = {expected[7]};
  const Result result = run(engine, request);
  const auto first = std::find(expected.begin(), expected.end(), expected[7]);
  EXPECT_EQ(result.tokens, std::vector(expected.begin(), first));
  EXPECT_EQ(result.last.reason, FinishReason::stop);
  request.ignore_end = true;
  EXPECT_EQ(run(engine, request).tokens, expected);
}

TEST(Engine, StopsAtTheEndOfTheContext) {
  const Fake fake = make_fake();
  Engine engine;
  Request request = make_request(fake, made_up_prompt(60), -1);
  request.context_length = 64;
  const Result result = run(engine, request);
  EXPECT_EQ(result.tokens, greedy_tokens(made_up_prompt(60), 4));
  EXPECT_EQ(result.last.reason, FinishReason::length);
}

TEST(Engine, RefusesRequestsThatCannotWork) {
  const Fake fake = make_fake();
  Engine engine;
  const auto kind = [&](const std::function<void(Request&)>& change) {
    Request request = make_request(fake, {1, 2, 3}, 4);
    change(request);
    try {
      engine.submit(request);
    } catch (const Error& e) {
      return e.kind();
    }
    ADD_FAILURE() << "nothing was refused";
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind([](Request& r) { r.prompt.clear(); }), ErrorKind::usage);
  EXPECT_EQ(kind([](Request& r) { r.prompt[1] = fake_vocabulary; }), ErrorKind::usage);
  EXPECT_EQ(kind([](Request& r) { r.prompt[1] = -1; }), ErrorKind::usage);
  EXPECT_EQ(kind([](Request& r) { r.context_length = 2; }), ErrorKind::resource);
  EXPECT_EQ(kind([](Request& r) { r.sampling.top_p = 1.5f; }), ErrorKind::usage);
  EXPECT_EQ(kind([](Request& r) { r.sampling.logit_bias[64] = 1; }), ErrorKind::usage);
  EXPECT_EQ(kind([](Request& r) { r.stop = {"x"}; }), ErrorKind::usage);
  EXPECT_EQ(kind([](Request& r) { r.cache.kv_bits = 3; }), ErrorKind::usage);
  try {
    Request request = make_request(fake, made_up_prompt(5000), 4);
    engine.submit(request);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "prompt has 5000 tokens, the context of fake has 4096");
    EXPECT_FALSE(e.hint().empty());
  }
}

// ---- text

// A model that says a fixed text after a prompt of one token.
Fake make_speaker(std::vector<std::int32_t> says) {
  Fake fake = make_fake(0, fake_tokenizer());
  fake.runner->on_row = [says](std::span<float> logits, std::span<const std::int32_t> tokens) {
    logits[static_cast<std::size_t>(says[std::min(tokens.size() - 1, says.size() - 1)])] = 100;
  };
  return fake;
}

constexpr std::int32_t st = 30, op = 31, e_acute = 32, euro1 = 33, euro2 = 34, euro3 = 35;

TEST(Engine, StopStringsSpanTokensAndAreNotShown) {
  const Fake fake = make_speaker({0, 1, st, 2, st, op, 3, 4});
  Engine engine;
  Request request = make_request(fake, {0}, 8);
  EXPECT_EQ(run(engine, request).text, "abSTcSTOPde");
  request.stop = {"STOP"};
  Result result = run(engine, request);
  EXPECT_EQ(result.text, "abSTc");
  EXPECT_EQ(result.last.reason, FinishReason::stop);
  EXPECT_EQ(result.last.stop_sequence, "STOP");
  EXPECT_EQ(result.tokens.size(), 6u);
  request.stop = {"zz", "cST", "b"};
  EXPECT_EQ(run(engine, request).text, "a");
  request.stop = {"OPdeX"};  // held back to the end, then shown
  result = run(engine, request);
  EXPECT_EQ(result.text, "abSTcSTOPde");
  EXPECT_EQ(result.last.reason, FinishReason::length);
}

TEST(Engine, EventsCarryWholeCharacters) {
  const Fake fake = make_speaker({e_acute, euro1, euro2, euro3, 0, euro1});
  Engine engine;
  const Result result = run(engine, make_request(fake, {0}, 6));
  EXPECT_EQ(result.text,
            "\xC3\xA9\xE2\x82\xAC"
            "a\xEF\xBF\xBD");
  for (const Event& event : result.events) EXPECT_TRUE(event.text.empty() || (event.text[0] & 0xC0) != 0x80);
}

TEST(Engine, GrammarsBindTheOutput) {
  const Fake fake = make_fake(0, fake_tokenizer());
  const std::int32_t end = 40;
  const text::Vocabulary vocabulary(*fake.instance->tokenizer, fake_vocabulary, {{end}});
  Engine engine;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Request request = make_request(fake, made_up_prompt(5, seed), 100);
    request.sampling.temperature = 2;
    request.sampling.seed = seed;
    request.end_tokens = {end};
    request.grammar =
        std::make_shared<text::Grammar>(vocabulary, text::GrammarLanguage::regex, "(yes|no) [a-c]{3}\\.");
    const Result result = run(engine, request);
    ASSERT_EQ(result.last.reason, FinishReason::stop);
    EXPECT_TRUE(result.text.starts_with("yes ") || result.text.starts_with("no ")) << result.text;
    EXPECT_TRUE(result.text.ends_with('.'));
    EXPECT_EQ(result.text.size(), result.text.find(' ') + 5);
  }
}

TEST(Engine, LogprobsAreThoseOfTheModel) {
  const Fake fake = make_fake();
  Engine engine;
  Request request = make_request(fake, made_up_prompt(10), 12);
  request.sampling.temperature = 1.5f;
  request.sampling.repetition_penalty = 1.5f;
  request.sampling.seed = 4;
  request.logprobs = 5;
  const Result result = run(engine, request);
  auto tokens = request.prompt;
  for (const Event& event : result.events) {
    if (event.kind != Kind::token) continue;
    const std::vector<float> logits = fake_logits(tokens);
    double total = 0;
    for (const float x : logits) total += std::exp(static_cast<double>(x));
    const auto expected = [&](std::int32_t id) {
      return static_cast<double>(logits[static_cast<std::size_t>(id)]) - std::log(total);
    };
    EXPECT_NEAR(event.logprob, expected(event.token), 1e-5);
    ASSERT_EQ(event.top_logprobs.size(), 5u);
    auto sorted = logits;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (std::size_t i = 0; i < 5; ++i) {
      const auto& [id, value] = event.top_logprobs[i];
      EXPECT_NEAR(value, expected(id), 1e-5);
      EXPECT_EQ(logits[static_cast<std::size_t>(id)], sorted[i]);
    }
    tokens.push_back(event.token);
  }
}

// ---- failures

TEST(Engine, AFailingStepCostsTheGuiltyOnly) {
  const Fake fake = make_fake();
  fake.runner->on_step = [](const graph::Step& step) {
    if (std::count(step.tokens.begin(), step.tokens.end(), 63) > 0) throw std::runtime_error("token 63");
  };
  fake.runner->on_row = [](std::span<float> logits, std::span<const std::int32_t>) { logits[63] = -100; };
  Engine engine;
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 6; ++i) {
    streams.push_back(
        engine.submit(make_request(fake, i == 3 ? std::vector{1, 63} : std::vector{1, 2, i}, 20)));
  }
  for (int i = 0; i < 6; ++i) {
    const Result result = read_all(*streams[static_cast<std::size_t>(i)]);
    if (i == 3) {
      ASSERT_EQ(result.last.kind, Kind::failed);
      EXPECT_EQ(result.last.error->kind(), ErrorKind::internal);
      EXPECT_STREQ(result.last.error->what(), "request 4: token 63");
    } else {
      EXPECT_EQ(result.tokens.size(), 20u);
      EXPECT_TRUE(result.finished());
    }
  }
  EXPECT_TRUE(run(engine, make_request(fake, {5}, 3)).finished());
}

TEST(Engine, NanLogitsFailTheirRequestAlone) {
  const Fake fake = make_fake();
  fake.runner->on_row = [](std::span<float> logits, std::span<const std::int32_t> tokens) {
    if (tokens[0] == 9 && tokens.size() == 4) logits[17] = std::numeric_limits<float>::quiet_NaN();
  };
  Engine engine;
  const auto bad = engine.submit(make_request(fake, {9, 1}, 20));
  const auto good = engine.submit(make_request(fake, {8, 1}, 20));
  const Result result = read_all(*bad);
  ASSERT_EQ(result.last.kind, Kind::failed);
  EXPECT_EQ(result.last.error->kind(), ErrorKind::internal);
  EXPECT_STREQ(result.last.error->what(), "request 1: logits: token 17 of 64 has the value NaN");
  EXPECT_EQ(result.tokens.size(), 2u);
  EXPECT_EQ(read_all(*good).tokens, greedy_tokens({8, 1}, 20));
}

TEST(Engine, AllTokensForbiddenIsAnError) {
  const Fake fake = make_fake();
  fake.runner->on_row = [](std::span<float> logits, std::span<const std::int32_t>) {
    std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
  };
  Engine engine;
  const Result result = run(engine, make_request(fake, {1}, 3));
  ASSERT_EQ(result.last.kind, Kind::failed);
  EXPECT_EQ(result.last.error->kind(), ErrorKind::usage);
}

TEST(Engine, TightMemoryDelaysButChangesNothing) {
  const Fake fake = make_fake();
  Options options;
  options.running_cache_bytes = 30'000;  // 300 positions of the fake cache
  Engine engine(options);
  std::vector<std::unique_ptr<Stream>> streams;
  for (std::uint64_t i = 0; i < 8; ++i) {
    streams.push_back(engine.submit(make_request(fake, made_up_prompt(50, i), 150)));
  }
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(read_all(*streams[i]).tokens, greedy_tokens(made_up_prompt(50, i), 150)) << i;
  }
  const Result result = run(engine, make_request(fake, made_up_prompt(280, 99), 150));
  ASSERT_EQ(result.last.kind, Kind::failed);
  EXPECT_EQ(result.last.error->kind(), ErrorKind::resource);
}

}  // namespace
}  // namespace pome::engine
