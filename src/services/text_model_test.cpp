#include "services/text_model.h"

#include <gtest/gtest.h>

#include "services/tiny_model.h"

namespace pome::services {
namespace {

const Json question = Json::array({message("user", "why")});

TEST(TextModel, WithoutATemplateTheContentsAreThePrompt) {
  const auto text = TextModel::open(sound_model());
  EXPECT_FALSE(text->has_chat_template());
  EXPECT_EQ(text->render(question, {}), "why");
  Settings settings;
  settings.system_prompt = "be kind";
  settings.prefill_response = "so";
  EXPECT_EQ(text->render(question, settings), "be kind\nwhyso");
  EXPECT_EQ(text->prompt(question, {}), (std::vector<std::int32_t>{28, 13, 30}));
  EXPECT_EQ(text->end_tokens(), std::vector<std::int32_t>{0});
}

TEST(TextModel, TheTemplateGetsSystemPromptPrefillAndVariables) {
  const TinyLibrary tiny;
  const auto text = TextModel::open(tiny.chat_model());
  ASSERT_TRUE(text->has_chat_template());
  EXPECT_EQ(text->render(question, {}), "u why\na ");
  Settings settings;
  settings.system_prompt = "be kind";
  settings.prefill_response = "so";
  EXPECT_EQ(text->render(question, settings), "s be kind\nu why\na so");
  const Json own_system = Json::array({message("system", "be brief"), message("user", "why")});
  EXPECT_EQ(text->render(own_system, settings), "s be brief\nu why\na so");
  Settings loud;
  loud.chat_template_config = Json{{"loud", true}};
  EXPECT_EQ(text->render(question, loud), "u why\nloud a ");
  loud.ignore_chat_template = true;
  EXPECT_EQ(text->render(question, loud), "why");
  loud.ignore_chat_template = false;
  loud.chat_template_config = Json::array({"loud"});
  EXPECT_EQ(error_of([&] { text->render(question, loud); }).kind(), ErrorKind::usage);
}

TEST(TextModel, EndTokensComeFromEveryFileThatNamesThem) {
  const TinyLibrary tiny;
  const fs::path folder = tiny.copy_of(sound_model(), "ends");
  write_file_atomic(folder / "generation_config.json", R"({"eos_token_id": [5, 7, 5]})");
  EXPECT_EQ(TextModel::open(folder)->end_tokens(), (std::vector<std::int32_t>{0, 5, 7}));
  write_file_atomic(folder / "generation_config.json", R"({"eos_token_id": null})");
  EXPECT_EQ(TextModel::open(folder)->end_tokens(), std::vector<std::int32_t>{0});
  for (const char* broken : {R"({"eos_token_id": "x"})", R"({"eos_token_id": [-1]})"}) {
    write_file_atomic(folder / "generation_config.json", broken);
    EXPECT_EQ(error_of([&] { TextModel::open(folder); }).kind(), ErrorKind::corrupt);
  }
}

TEST(TextModel, MessagesThatAreNoneAreRefused) {
  const auto text = TextModel::open(sound_model());
  for (const Json& messages :
       {Json(), Json::array(), Json::array({"hello"}), Json::array({Json{{"content", "x"}}})}) {
    EXPECT_EQ(error_of([&] { text->render(messages, {}); }).kind(), ErrorKind::usage) << messages;
  }
  const Json picture =
      Json::array({Json{{"role", "user"}, {"content", Json::array({Json{{"type", "image"}}})}}});
  EXPECT_EQ(error_of([&] { text->render(picture, {}); }).kind(), ErrorKind::unsupported);
}

TEST(TextModel, WithoutATokenizerThereIsNone) {
  EXPECT_EQ(error_of([] { TextModel::open(golden("broken/no_tokenizer")); }).kind(), ErrorKind::not_found);
}

TEST(TextModel, ToolsGoToTheTemplate) {
  TinyLibrary tiny;
  const fs::path folder = tiny.chat_model();
  write_file_atomic(folder / "chat_template.jinja",
                    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{{ messages[0].content }}");
  const auto text = TextModel::open(folder);
  const Json tools = tools_from_json(
      Json::parse(R"([{"name": "f"}, {"type": "function", "function": {"name": "g"}}])"), "x");
  EXPECT_EQ(text->render(question, {}, tools), "[f][g]why");
  EXPECT_EQ(text->render(question, {}), "why");
  Settings settings;
  settings.chat_template_config = Json{{"tools", tools}};
  EXPECT_EQ(text->render(question, settings), "[f][g]why");
  for (const char* broken : {"1", "[1]", "{}", R"([{"function": {}}])", R"({"name": 1})"}) {
    const Error error = error_of([&] { tools_from_json(Json::parse(broken), "tools.json"); });
    EXPECT_EQ(error.kind(), ErrorKind::usage) << broken;
    EXPECT_NE(error.message().find("tools.json"), std::string::npos);
  }
}

TEST(TextModel, TurnsEndWithTheTokensOfTheTemplate) {
  TinyLibrary tiny;
  const fs::path folder = tiny.chat_model();
  Json tokenizer = load_json(folder / "tokenizer.json");
  for (const char* added : {"<|im_end|>", "<|eot_id|>"}) {
    tokenizer["added_tokens"].push_back(tokenizer["added_tokens"][0]);
    tokenizer["added_tokens"].back()["id"] = added[2] == 'i' ? 32 : 33;
    tokenizer["added_tokens"].back()["content"] = added;
  }
  write_file_atomic(folder / "tokenizer.json", tokenizer.dump());
  EXPECT_EQ(TextModel::open(folder)->end_tokens(), std::vector<std::int32_t>{0});
  write_file_atomic(folder / "chat_template.jinja", "{{ messages[0].content }}<|im_end|>");
  EXPECT_EQ(TextModel::open(folder)->end_tokens(), (std::vector<std::int32_t>{0, 32}));
}

}  // namespace
}  // namespace pome::services
