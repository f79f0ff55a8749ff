#include "text/folder.h"

#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "text/golden_test.h"

namespace pome::text {
namespace {

class FolderTest : public testing::Test {
 protected:
  void put(const std::string& name, std::string_view content) {
    fs::create_directories((scratch_.path() / name).parent_path());
    write_file_atomic(scratch_.path() / name, content);
  }
  void put_tokenizer(const std::string& kind) {
    put("tokenizer.json", read_file(golden_folder() / "tokenizers" / (kind + ".json")));
  }
  TokenizerFolder load() { return load_tokenizer(scratch_.path()); }
  Error failure() {
    try {
      load();
    } catch (const Error& e) {
      return e;
    }
    return Error(ErrorKind::interrupted, "nothing was thrown");
  }

  ScratchFolder scratch_;
};

TEST_F(FolderTest, TokensMayBeTextOrObjects) {
  put_tokenizer("llama2");
  put("tokenizer_config.json",
      R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "unk_token": null,
          "add_bos_token": false, "add_eos_token": true})");
  put("special_tokens_map.json", R"({"pad_token": "</s>", "eos_token": "<unk>"})");
  const TokenizerFolder folder = load();
  EXPECT_EQ(folder.special_token("bos_token"), "<s>");
  EXPECT_EQ(folder.special_token("eos_token"), "</s>");
  EXPECT_EQ(folder.special_token("pad_token"), "</s>");
  EXPECT_EQ(folder.special_token("unk_token"), std::nullopt);
  EXPECT_EQ(folder.tokenizer->encode(""), std::vector<std::int32_t>{1});  // tokenizer.json alone decides
  EXPECT_TRUE(folder.chat_templates.empty());
  EXPECT_EQ(folder.template_for(false), nullptr);
}

TEST_F(FolderTest, TemplatesComeFromFourPlaces) {
  put_tokenizer("llama2");
  put("tokenizer_config.json", R"({"chat_template": "in config"})");
  EXPECT_EQ(load().template_for(true)->source, "in config");
  put("tokenizer_config.json",
      R"({"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  EXPECT_EQ(load().template_for(true)->source, "T");
  EXPECT_EQ(load().template_for(false)->source, "D");
  EXPECT_EQ(load().chat_templates.front().name, "default");
  put("chat_template.json", R"({"chat_template": "from json"})");
  EXPECT_EQ(load().template_for(false)->source, "from json");
  put("chat_template.jinja", "from jinja");
  put("additional_chat_templates/rag.jinja", "for rag");
  EXPECT_EQ(load().template_for(false)->source, "from jinja");
  EXPECT_EQ(load().chat_templates.back().source, "for rag");
  put("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
}

TEST_F(FolderTest, OlderPairsOfFiles) {
  const Json whole = load_json(golden_folder() / "tokenizers/qwen.json");
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : whole["model"]["merges"]) {
    merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  }
  put("vocab.json", whole["model"]["vocab"].dump());
  put("merges.txt", merges);
  put("tokenizer_config.json",
      R"({"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {"609": {"content": "<|endoftext|>",
          "special": true}, "610": {"content": "<|im_start|>", "special": true}}, "eos_token": "<|endoftext|>"})");
  const auto tokenizer = load().tokenizer;
  const auto golden = golden_tokenizer("qwen");
  const std::string text = "e\u0301 It's 1234 <|im_start|> 你好  x\n\n";
  EXPECT_EQ(tokenizer->encode(text), golden->encode(text));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), golden->decode(golden->encode(text)));
  put("tokenizer_config.json",
      R"({"tokenizer_class": "GPT2Tokenizer", "bos_token": "b", "eos_token": {"content": "<end>"},
          "add_bos_token": true, "add_eos_token": true})");
  const auto around = load().tokenizer;
  EXPECT_EQ(around->decode(around->encode("x")), "bx<end>");
  EXPECT_EQ(around->decode(around->encode("x", false)), "x");
  put("tokenizer_config.json", R"({"tokenizer_class": "ChineseWhispersTokenizer"})");
  EXPECT_EQ(failure().kind(), ErrorKind::unsupported);
  EXPECT_NE(failure().message().find("ChineseWhispersTokenizer"), std::string::npos);
}

TEST_F(FolderTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(failure().kind(), ErrorKind::not_found);
  put("vocab.txt", "x");
  EXPECT_EQ(failure().kind(), ErrorKind::unsupported);
  EXPECT_NE(failure().message().find("vocab.txt"), std::string::npos);
  put("tokenizer.json", "{}");
  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
  EXPECT_NE(std::string(failure().what()).find(scratch_.path().string()), std::string::npos);
  put("tokenizer_config.json", "[]");
  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
}

}  // namespace
}  // namespace pome::text
