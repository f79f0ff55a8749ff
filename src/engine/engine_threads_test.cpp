// The engine and its callers at the same time: cancelling, deadlines, jobs, the end. No test waits for time
// to pass: a runner is held at a gate where something must happen while it computes.
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include "engine/testing.h"

namespace pome::engine {
namespace {

using namespace testing;
using Kind = Event::Kind;

// Holds the first step until it is opened.
struct Gate {
  std::latch reached{1};
  std::latch open{1};
  bool passed = false;

  void hold(const Fake& fake) {
    fake.runner->on_step = [this](const graph::Step&) {
      if (std::exchange(passed, true)) return;
      reached.count_down();
      open.wait();
    };
  }
};

TEST(EngineThreads, CancellingEndsTheRequestBeforeItsNextStep) {
  const Fake fake = make_fake();
  Gate gate;
  gate.hold(fake);
  Engine engine;
  const auto stream = engine.submit(make_request(fake, made_up_prompt(20), 1000));
  gate.reached.wait();
  stream->cancel();
  gate.open.count_down();
  const Result result = read_all(*stream);
  EXPECT_EQ(result.last.reason, FinishReason::cancelled);
  EXPECT_EQ(result.tokens.size(), 1u);
  EXPECT_EQ(fake.runner->steps, 1);
  // What was computed is not lost.
  EXPECT_EQ(run(engine, make_request(fake, made_up_prompt(21), 1)).last.stats.cached_tokens, 20);
}

TEST(EngineThreads, DroppingTheStreamCancels) {
  const Fake fake = make_fake();
  Gate gate;
  gate.hold(fake);
  Engine engine;
  auto dropped = engine.submit(make_request(fake, made_up_prompt(20), 1000));
  gate.reached.wait();
  dropped.reset();
  gate.open.count_down();
  run(engine, make_request(fake, {1}, 1));
  engine.run_job([] { return false; });
  EXPECT_LE(fake.runner->steps, 3);
}

TEST(EngineThreads, CancelledAndLateRequestsNeverStart) {
  const Fake fake = make_fake();
  Gate gate;
  gate.hold(fake);
  Options options;
  options.max_running = 1;
  Engine engine(options);
  const auto first = engine.submit(make_request(fake, {1}, 3));
  gate.reached.wait();
  const auto cancelled = engine.submit(make_request(fake, {2}, 3));
  cancelled->cancel();
  Request late = make_request(fake, {3}, 3);
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const auto deadline = engine.submit(late);
  gate.open.count_down();
  EXPECT_EQ(read_all(*cancelled).last.reason, FinishReason::cancelled);
  const Result result = read_all(*deadline);
  EXPECT_EQ(result.last.reason, FinishReason::deadline);
  EXPECT_EQ(result.events.size(), 1u);
  EXPECT_EQ(read_all(*first).tokens.size(), 3u);
  EXPECT_EQ(fake.runner->steps, 3);
}

TEST(EngineThreads, ADeadlineEndsARunningRequest) {
  const Fake fake = make_fake();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
  fake.runner->on_step = [&](const graph::Step&) {
    while (std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  };
  Engine engine;
  Request request = make_request(fake, {1}, 1000);
  request.deadline = deadline;
  const Result result = read_all(*engine.submit(request));
  EXPECT_EQ(result.last.reason, FinishReason::deadline);
  EXPECT_LE(result.tokens.size(), 1u);
}

TEST(EngineThreads, AFullQueueRefuses) {
  const Fake fake = make_fake();
  Gate gate;
  gate.hold(fake);
  Options options;
  options.max_queue = 3;
  Engine engine(options);
  std::vector<std::unique_ptr<Stream>> streams;
  streams.push_back(engine.submit(make_request(fake, {1}, 2)));
  gate.reached.wait();
  for (int i = 0; i < 3; ++i) streams.push_back(engine.submit(make_request(fake, {1}, 2)));
  try {
    engine.submit(make_request(fake, {1}, 2));
    FAIL() << "nothing was refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::resource);
  }
  gate.open.count_down();
  for (const auto& stream : streams) EXPECT_EQ(read_all(*stream).tokens.size(), 2u);
}

TEST(EngineThreads, TheEndCancelsWhatRunsAndWhatWaits) {
  const Fake fake = make_fake();
  Options options;
  options.max_running = 1;
  auto engine = std::make_unique<Engine>(options);
  Request endless = make_request(fake, {1}, -1);
  endless.context_length = 1 << 30;
  const auto running = engine->submit(endless);
  const auto waiting = engine->submit(endless);
  std::latch job_runs(1);
  auto job = std::async(std::launch::async, [&] {
    engine->run_job([&, first = true]() mutable {
      if (std::exchange(first, false)) job_runs.count_down();
      return true;
    });
  });
  job_runs.wait();
  engine.reset();
  EXPECT_EQ(read_all(*running).last.reason, FinishReason::cancelled);
  EXPECT_EQ(read_all(*waiting).last.reason, FinishReason::cancelled);
  EXPECT_FALSE(running->next().has_value());
  EXPECT_THROW(job.get(), Error);
}

TEST(EngineThreads, JobsRunBetweenSteps) {
  const Fake fake = make_fake();
  Engine engine;
  std::thread::id worker;
  engine.run_job([&] {
    worker = std::this_thread::get_id();
    return false;
  });
  EXPECT_NE(worker, std::this_thread::get_id());
  const auto stream = engine.submit(make_request(fake, {1}, 500));
  int calls = 0;
  engine.run_job([&] {
    EXPECT_EQ(std::this_thread::get_id(), worker);
    return ++calls < 5;
  });
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(read_all(*stream).tokens, greedy_tokens({1}, 500));
  try {
    engine.run_job([]() -> bool { throw error(ErrorKind::corrupt, "no good"); });
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::corrupt);
  }
}

TEST(EngineThreads, ASlowReaderDelaysNobody) {
  const Fake fake = make_fake();
  Engine engine;
  const auto slow = engine.submit(make_request(fake, {1}, 2000));
  EXPECT_EQ(run(engine, make_request(fake, {2}, 50)).tokens, greedy_tokens({2}, 50));
  EXPECT_EQ(read_all(*slow).tokens, greedy_tokens({1}, 2000));
}

TEST(EngineThreads, ManyCallersAtOnce) {
  const Fake one = make_fake();
  const Fake two = make_fake(/*window=*/32);
  Options options;
  options.max_running = 5;
  options.max_queue = 1000;
  options.prefix_cache_bytes = 60'000;
  options.running_cache_bytes = 60'000;
  Engine engine(options);
  std::vector<std::thread> callers;
  for (std::uint64_t caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (std::uint64_t i = 0; i < 25; ++i) {
        const std::uint64_t chance = mix(caller * 1000 + i);
        const Fake& fake = chance % 2 == 0 ? one : two;
        const auto prompt = made_up_prompt(1 + static_cast<int>(chance % 150), chance % 4);
        const int count = 1 + static_cast<int>((chance >> 8) % 30);
        const auto stream = engine.submit(make_request(fake, prompt, count));
        switch ((chance >> 16) % 4) {
          case 0:
            stream->cancel();
            EXPECT_TRUE(read_all(*stream).finished());
            break;
          case 1:
            stream->next();
            break;  // and drop it
          case 2:
            engine.run_job([] { return false; });
            [[fallthrough]];
          default:
            EXPECT_EQ(read_all(*stream).tokens, greedy_tokens(prompt, count));
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace pome::engine
