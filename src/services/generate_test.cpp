#include "services/generate.h"

#include <gtest/gtest.h>

#include "services/tiny_model.h"

namespace pome::services {
namespace {

class Generate : public testing::Test {
 protected:
  Answer run(const GenerateRequest& request, const OnPiece& on_piece = {}) {
    return generate(tiny.library, *model, request, on_piece);
  }
  static GenerateRequest prompt(std::string text, int max_tokens = 12) {
    GenerateRequest request;
    request.prompt = std::move(text);
    request.settings.max_tokens = max_tokens;
    request.ignore_end = true;
    return request;
  }

  TinyLibrary tiny;
  std::shared_ptr<const OpenModel> model = tiny.library.open("demo");
};

TEST_F(Generate, PiecesJoinToTheAnswer) {
  std::string text;
  std::vector<std::int32_t> tokens;
  const Answer answer = run(prompt("hello"), [&](const Piece& piece) {
    text += piece.text;
    if (piece.token >= 0) tokens.push_back(piece.token);
    return true;
  });
  EXPECT_EQ(answer.text, text);
  EXPECT_EQ(answer.tokens, tokens);
  EXPECT_EQ(answer.tokens.size(), 12u);
  EXPECT_EQ(answer.reason, engine::FinishReason::length);
  EXPECT_EQ(answer.stats.prompt_tokens, 5);
  EXPECT_EQ(answer.stats.generated_tokens, 12);
  EXPECT_GT(answer.stats.first_token_ms, 0);
  EXPECT_GT(answer.stats.generation_tps, 0);
  EXPECT_GT(answer.stats.peak_memory_bytes, 0u);
}

TEST_F(Generate, GreedyIsTheDefaultAndRepeats) {
  EXPECT_EQ(run(prompt("hello")).tokens, run(prompt("hello")).tokens);
}

TEST_F(Generate, ASeedReproducesASample) {
  GenerateRequest request = prompt("hello", 30);
  request.settings.temperature = 5.0f;
  const Answer first = run(request);
  request.settings.seed = first.stats.seed;
  EXPECT_EQ(run(request).tokens, first.tokens);
  request.settings.seed = first.stats.seed + 1;
  EXPECT_NE(run(request).tokens, first.tokens);
}

TEST_F(Generate, TokensMessagesAndPromptGiveTheSame) {
  const Answer by_prompt = run(prompt("why"));
  GenerateRequest by_tokens = prompt("");
  by_tokens.prompt.reset();
  by_tokens.tokens = {28, 13, 30};
  EXPECT_EQ(run(by_tokens).tokens, by_prompt.tokens);
  GenerateRequest by_messages = prompt("");
  by_messages.prompt.reset();
  by_messages.messages = Json::array({message("user", "why")});
  EXPECT_EQ(run(by_messages).tokens, by_prompt.tokens);
}

TEST_F(Generate, ExactlyOneInputIsTaken) {
  GenerateRequest none;
  EXPECT_EQ(error_of([&] { run(none); }).kind(), ErrorKind::usage);
  GenerateRequest both = prompt("why");
  both.tokens = {1};
  EXPECT_EQ(error_of([&] { run(both); }).kind(), ErrorKind::usage);
}

TEST_F(Generate, PrefillIsPartOfPromptAndAnswer) {
  GenerateRequest request = prompt("wh");
  request.settings.prefill_response = "y";
  const Answer answer = run(request);
  const Answer whole = run(prompt("why"));
  EXPECT_EQ(answer.tokens, whole.tokens);
  EXPECT_EQ(answer.text, "y" + whole.text);
}

TEST_F(Generate, ReturningFalseCancels) {
  const auto endless = tiny.library.open(tiny.endless_model().string());
  int seen = 0;
  const Answer answer = generate(tiny.library, *endless, prompt("hello", -1),
                                 [&](const Piece& piece) { return piece.token < 0 || ++seen < 3; });
  EXPECT_EQ(answer.reason, engine::FinishReason::cancelled);
  EXPECT_GE(answer.tokens.size(), 3u);
}

TEST_F(Generate, ExtraEndTokensMustBeOneToken) {
  const Answer whole = run(prompt("hello"));
  ASSERT_GE(whole.tokens.size(), 2u);
  GenerateRequest request = prompt("hello");
  request.ignore_end = false;
  request.settings.extra_eos_tokens =
      std::vector<std::string>{*model->text->tokenizer().token(whole.tokens[1])};
  const Answer ended = run(request);
  EXPECT_EQ(ended.reason, engine::FinishReason::stop);
  EXPECT_LE(ended.tokens.size(), 1u);
  request.settings.extra_eos_tokens = std::vector<std::string>{"two"};
  EXPECT_EQ(error_of([&] { run(request); }).kind(), ErrorKind::usage);
}

TEST_F(Generate, APromptBeyondTheContextIsRefused) {
  const Error error = error_of([&] { run(prompt(std::string(65, 'a'))); });
  EXPECT_EQ(error.kind(), ErrorKind::resource);
  EXPECT_NE(error.message().find("64"), std::string::npos) << error.message();
}

TEST_F(Generate, AnswersJsonThatSatisfiesASchema) {
  // The tiny vocabulary has neither quotes nor braces: an enumeration of numbers is beyond it too, so the
  // schema that it can satisfy is the constant `true`.
  GenerateRequest request = prompt("hello");
  request.ignore_end = false;
  request.json_schema = Json{{"const", true}};
  EXPECT_EQ(run(request).text, "true");
}

TEST_F(Generate, AGrammarThatCannotBeReadIsNamed) {
  GenerateRequest request = prompt("hello");
  request.json_schema = Json{{"type", "objec"}};
  EXPECT_TRUE(std::string_view(error_of([&] { run(request); }).what()).starts_with("json_schema: "));
  request.json_schema.reset();
  request.regex = "[0-9";
  EXPECT_TRUE(std::string_view(error_of([&] { run(request); }).what()).starts_with("regex: "));
}

TEST_F(Generate, LogprobsAreOfTheTokens) {
  GenerateRequest request = prompt("hello", 3);
  request.logprobs = 2;
  int tokens = 0;
  run(request, [&](const Piece& piece) {
    if (piece.token < 0) return true;
    ++tokens;
    EXPECT_LT(piece.logprob, 0);
    EXPECT_EQ(piece.top_logprobs.size(), 2u);
    EXPECT_EQ(piece.top_logprobs.at(0).token, piece.token) << "greedy takes the likeliest";
    return true;
  });
  EXPECT_EQ(tokens, 3);
}

TEST_F(Generate, APromptCacheFileGivesTheSameContinuation) {
  const fs::path file = tiny.scratch.path() / "cache.safetensors";
  const Answer plain = run(prompt("hello there"));
  GenerateRequest request = prompt("hello there");
  request.prompt_cache_file = file;
  EXPECT_EQ(run(request).tokens, plain.tokens);
  ASSERT_TRUE(fs::exists(file));

  TinyLibrary other;  // as another process would: nothing but the file is left
  const auto again = other.library.open("demo");
  const Answer warm = generate(other.library, *again, request);
  EXPECT_EQ(warm.tokens, plain.tokens);
  EXPECT_GT(warm.stats.cached_tokens, 0);

  // A prompt that shares only a beginning takes just that.
  GenerateRequest longer = prompt("hello them all", 6);
  const Answer plain_longer = run(longer);
  longer.prompt_cache_file = file;
  TinyLibrary third;
  const Answer warm_longer = generate(third.library, *third.library.open("demo"), longer);
  EXPECT_EQ(warm_longer.tokens, plain_longer.tokens);
  EXPECT_LE(warm_longer.stats.cached_tokens, 9);
}

TEST_F(Generate, APromptCacheOfAnotherModelOrSettingIsRefused) {
  const fs::path file = tiny.scratch.path() / "cache.safetensors";
  GenerateRequest request = prompt("hello");
  request.prompt_cache_file = file;
  run(request);
  const fs::path other = tiny.copy_of(sound_model(), "other");
  Json config = load_json(other / "config.json");
  config["rope_theta"] = 20000.0;
  write_file_atomic(other / "config.json", config.dump());
  const Error another =
      error_of([&] { generate(tiny.library, *tiny.library.open(other.string()), request); });
  EXPECT_EQ(another.kind(), ErrorKind::usage);
  EXPECT_NE(another.message().find("another model"), std::string::npos) << another.message();
  request.settings.max_kv_size = 32;
  const Error setting = error_of([&] { run(request); });
  EXPECT_EQ(setting.kind(), ErrorKind::usage);
  EXPECT_NE(setting.message().find("max_kv_size"), std::string::npos) << setting.message();
  request.settings.max_kv_size.reset();
  fs::resize_file(file, fs::file_size(file) - 1);
  const Error truncated = error_of([&] { run(request); });
  EXPECT_EQ(truncated.kind(), ErrorKind::corrupt);
  EXPECT_EQ(truncated.hint(), "name another file, or remove this one");
  write_file_atomic(file, read_file(golden("broken/sound/model.safetensors")));
  EXPECT_EQ(error_of([&] { run(request); }).kind(), ErrorKind::corrupt);
  request.prompt_cache_file = tiny.scratch.path() / "nowhere/cache.safetensors";
  EXPECT_EQ(error_of([&] { run(request); }).kind(), ErrorKind::not_found);
}

TEST_F(Generate, AnswersToMessagesAreTakenApart) {
  const fs::path folder = tiny.endless_model();
  write_file_atomic(folder / "chat_template.jinja",
                    "{# <think> <tool_call> #}{% for m in messages %}{{ m.content }}{% endfor %}");
  model = tiny.library.open(folder.string());
  GenerateRequest request;
  request.messages = Json::array({message("user", "why")});
  request.tools = tools_from_json(Json{{"name", "f"}}, "tools");
  request.settings.max_tokens = 3;
  request.settings.logit_bias = std::map<std::int32_t, float>{{6, 1000.0f}};
  request.settings.prefill_response =
      "<think>\nhm\n</think>\n\nso <tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</tool_call>";
  std::string text, reasoning;
  int calls = 0, tokens = 0;
  const Answer answer = run(request, [&](const Piece& piece) {
    text += piece.text;
    reasoning += piece.reasoning;
    calls += piece.tool_call ? 1 : 0;
    tokens += piece.token >= 0 ? 1 : 0;
    return true;
  });
  EXPECT_EQ(answer.text, "so aaa");
  EXPECT_EQ(answer.reasoning, "hm");
  ASSERT_EQ(answer.tool_calls.size(), 1u);
  EXPECT_EQ(tool_calls_json(answer.tool_calls).dump(), R"([{"name":"f","arguments":{"x":1}}])");
  EXPECT_EQ(text, answer.text);
  EXPECT_EQ(reasoning, answer.reasoning);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(tokens, 3);

  const Json next = assistant_message(answer);
  EXPECT_EQ(next["content"], "so aaa");
  EXPECT_EQ(next["reasoning_content"], "hm");
  EXPECT_EQ(next["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(next["tool_calls"][0]["id"].get<std::string>().size(), 9u);

  request.tools = {};
  EXPECT_TRUE(run(request).tool_calls.empty());
  EXPECT_NE(run(request).text.find("<tool_call>"), std::string::npos) << "without tools it is text";
  request.settings.prefill_response.reset();
  request.regex = "a{3}";
  EXPECT_EQ(run(request).text, "aaa");
  GenerateRequest raw = prompt("x", 1);
  raw.settings.prefill_response = "<think>";
  EXPECT_TRUE(run(raw).text.starts_with("<think>")) << "a prompt without messages has no convention";
}

TEST_F(Generate, ATemplateMayOpenTheReasoning) {
  const fs::path folder = tiny.chat_model();
  write_file_atomic(folder / "chat_template.jinja", "{{ messages[0].content }}<think>\n");
  model = tiny.library.open(folder.string());
  GenerateRequest request;
  request.messages = Json::array({message("user", "why")});
  request.settings.max_tokens = 3;
  request.settings.logit_bias = std::map<std::int32_t, float>{{6, 1000.0f}};
  const Answer answer = run(request);
  EXPECT_EQ(answer.reasoning, "aaa");
  EXPECT_EQ(answer.text, "");
}

}  // namespace
}  // namespace pome::services
