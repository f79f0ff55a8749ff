#include <gtest/gtest.h>

#include <thread>

#include "base/json.h"
#include "base/scratch_folder.h"
#include "pome/pome.h"

namespace pome {
namespace {

const std::string sound = POME_SOURCE_DIR "/tests/golden/broken/sound";

GenerateOptions short_answers() {
  GenerateOptions options;
  options.max_tokens = 4;
  return options;
}

template <class Function>
ErrorKind kind_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(Api, AnswersAndTokenizes) {
  const Model model = Library({.backend = "cpu", .hf_cache = {}}).open(sound);
  std::string streamed;
  const Answer answer = model.generate("why", short_answers(), [&](std::string_view text) {
    streamed += text;
    return true;
  });
  EXPECT_EQ(answer.text, streamed);
  EXPECT_EQ(answer.stats.prompt_tokens, 3);
  EXPECT_EQ(model.complete("why", short_answers()).text, answer.text) << "there is no template";
  EXPECT_EQ(model.detokenize(model.tokenize("why not")), "why not");
  EXPECT_EQ(model.context_length(), 64);
  EXPECT_EQ(model.folder(), sound);
  EXPECT_NE(model.facts_json().find("\"family\":\"llama\""), std::string::npos);
  EXPECT_FALSE(version().empty());
}

TEST(Api, ASessionOutlivesTheHandlesItCameFrom) {
  Session session = Library({.backend = "cpu", .hf_cache = {}}).open(sound).chat(short_answers());
  session.send("one");
  session.retry();
  ASSERT_EQ(session.messages().size(), 2u);
  EXPECT_EQ(session.messages()[0].role, "user");
  const ScratchFolder scratch;
  session.save((scratch.path() / "talk.json").string());
  session.clear();
  EXPECT_TRUE(session.messages().empty());
  session.load((scratch.path() / "talk.json").string());
  EXPECT_EQ(session.messages().size(), 2u);
}

TEST(Api, ReturningFalseEndsTheAnswer) {
  const ScratchFolder scratch;
  fs::copy(sound, scratch.path() / "model");
  Json config = load_json(scratch.path() / "model/config.json");
  config["max_position_embeddings"] = 1 << 20;  // the end of the context is far away
  write_file_atomic(scratch.path() / "model/config.json", config.dump());
  const Model model = Library({.backend = "cpu", .hf_cache = {}}).open((scratch.path() / "model").string());
  GenerateOptions options;
  options.temperature = 5;
  options.more["logit_bias"] = R"({"0": -1000})";  // no end token
  const Answer answer = model.complete("hello", options, [](std::string_view) { return false; });
  EXPECT_EQ(answer.finish_reason, "cancelled");
}

TEST(Api, ThreadsShareAModel) {
  const Model model = Library({.backend = "cpu", .hf_cache = {}}).open(sound);
  const std::string alone = model.complete("hello", short_answers()).text;
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::string& text : texts) {
    threads.emplace_back([&] { text = model.complete("hello", short_answers()).text; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, alone);
}

TEST(Api, MistakesAreErrors) {
  EXPECT_EQ(kind_of([] { Library({.backend = "abacus", .hf_cache = {}}); }), ErrorKind::usage);
  const Library library({.backend = "cpu", .hf_cache = "/nonexistent"});
  EXPECT_EQ(kind_of([&] { library.open("org/name"); }), ErrorKind::not_found);
  const Model model = library.open(sound);
  GenerateOptions options;
  options.more["top_q"] = "1";
  EXPECT_EQ(kind_of([&] { model.complete("a", options); }), ErrorKind::usage);
  options.more = {{"top_k", "[1"}};
  EXPECT_EQ(kind_of([&] { model.complete("a", options); }), ErrorKind::usage);
  GenerateOptions cached;
  cached.prompt_cache_file = "x";
  EXPECT_EQ(kind_of([&] { model.chat(cached); }), ErrorKind::usage);
}

}  // namespace
}  // namespace pome
