#include "services/chat.h"

#include <gtest/gtest.h>

#include "services/tiny_model.h"

namespace pome::services {
namespace {

class Chat : public testing::Test {
 protected:
  Settings short_answers() const {
    Settings settings;
    settings.max_tokens = 4;
    return settings;
  }

  TinyLibrary tiny;
  std::shared_ptr<const OpenModel> model = tiny.library.open(tiny.chat_model().string());
};

TEST_F(Chat, RemembersWhatWasSaid) {
  ChatSession chat(tiny.library, model, short_answers());
  const Answer first = chat.send("one");
  const Answer second = chat.send("two");
  ASSERT_EQ(chat.messages().size(), 4u);
  EXPECT_EQ(chat.messages()[0], message("user", "one"));
  EXPECT_EQ(chat.messages()[1], message("assistant", first.text));
  EXPECT_EQ(chat.messages()[3], message("assistant", second.text));
  EXPECT_GT(second.stats.prompt_tokens, first.stats.prompt_tokens);

  GenerateRequest same;
  same.messages = Json::array({chat.messages()[0], chat.messages()[1], chat.messages()[2]});
  same.settings = short_answers();
  EXPECT_EQ(generate(tiny.library, *model, same).text, second.text);
}

TEST_F(Chat, RetryAnswersTheSameQuestion) {
  ChatSession chat(tiny.library, model, short_answers());
  EXPECT_EQ(error_of([&] { chat.retry(); }).kind(), ErrorKind::usage);
  const Answer first = chat.send("one");
  const Answer again = chat.retry();
  EXPECT_EQ(again.tokens, first.tokens) << "greedy";
  EXPECT_EQ(chat.messages().size(), 2u);
}

TEST_F(Chat, ClearForgetsAllButTheSystemPrompt) {
  Settings settings = short_answers();
  settings.system_prompt = "be kind";
  ChatSession chat(tiny.library, model, settings);
  const Answer first = chat.send("one");
  chat.send("two");
  chat.clear();
  EXPECT_TRUE(chat.messages().empty());
  EXPECT_EQ(chat.send("one").tokens, first.tokens);
  chat.settings().system_prompt = "be loud";
  chat.clear();
  EXPECT_EQ(chat.send("one").stats.prompt_tokens, first.stats.prompt_tokens);
}

TEST_F(Chat, AFailedTurnLeavesNoTrace) {
  ChatSession chat(tiny.library, model, short_answers());
  chat.send("one");
  const Json before = chat.messages();
  EXPECT_EQ(error_of([&] { chat.send(std::string(80, 'a')); }).kind(), ErrorKind::resource);
  EXPECT_EQ(chat.messages(), before);
  chat.settings().top_p = 7.0f;
  EXPECT_EQ(error_of([&] { chat.retry(); }).kind(), ErrorKind::usage);
  EXPECT_EQ(chat.messages(), before);
}

TEST_F(Chat, ACancelledAnswerIsKeptAsFarAsItCame) {
  Settings settings;
  settings.logit_bias = std::map<std::int32_t, float>{{0, -1000.0f}};  // no end token
  ChatSession chat(tiny.library, tiny.library.open(tiny.endless_model().string()), settings);
  const Answer answer = chat.send("one", [](const Piece& piece) { return piece.token < 0; });
  EXPECT_EQ(answer.reason, engine::FinishReason::cancelled);
  ASSERT_EQ(chat.messages().size(), 2u);
  EXPECT_EQ(chat.messages()[1]["content"], answer.text);
}

TEST_F(Chat, KeepsReasoningApartForTheTemplate) {
  const fs::path folder = tiny.endless_model();
  write_file_atomic(folder / "chat_template.jinja",
                    "{# <think> #}{% for m in messages %}{{ m.content }}"
                    "{% if loop.last %}{{ m.reasoning_content }}{% endif %}{% endfor %}");
  Settings settings = short_answers();
  settings.prefill_response = "<think>hm</think>so";
  ChatSession chat(tiny.library, tiny.library.open(folder.string()), settings);
  const Answer first = chat.send("one");
  EXPECT_EQ(first.reasoning, "hm");
  EXPECT_TRUE(first.text.starts_with("so"));
  ASSERT_EQ(chat.messages().size(), 2u);
  EXPECT_EQ(chat.messages()[1]["reasoning_content"], "hm");
  EXPECT_EQ(chat.messages()[1]["content"], first.text);
}

TEST_F(Chat, SavesAndLoads) {
  Settings settings = short_answers();
  settings.system_prompt = "be kind";
  ChatSession chat(tiny.library, model, settings);
  chat.send("one");
  const fs::path file = tiny.scratch.path() / "talk.json";
  chat.save(file);
  ChatSession other(tiny.library, model);
  other.load(file);
  EXPECT_EQ(other.messages(), chat.messages());
  EXPECT_EQ(other.settings().to_json(), settings.to_json());
  EXPECT_EQ(other.send("two").tokens, chat.send("two").tokens);
  for (const char* broken : {"[]", "{}", R"({"messages": [1]})", R"({"messages": [{"role": "user"}]})",
                             R"({"messages": [], "settings": {"tmp": 1}})"}) {
    write_file_atomic(file, broken);
    const Json before = other.messages();
    const Error error = error_of([&] { other.load(file); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << broken;
    EXPECT_NE(std::string(error.what()).find("talk.json"), std::string::npos) << error.what();
    EXPECT_EQ(other.messages(), before);
  }
}

}  // namespace
}  // namespace pome::services
