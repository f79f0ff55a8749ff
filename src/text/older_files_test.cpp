#include "text/older_files.h"

#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "text/detokenizer.h"
#include "text/folder.h"
#include "text/golden_test.h"
#include "text/tekken.h"

namespace pome::text {
namespace {

fs::path files() { return golden_folder() / "files"; }

class OlderFiles : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const Tokenizer> tokenizer_ = load_tokenizer(files() / GetParam()).tokenizer;
  Json golden_ = load_json(golden_folder() / "files.json")["kinds"][GetParam()];
};

TEST_P(OlderFiles, IdsAndTextEqualTheLibrarys) {
  int decoded = 0;
  for (const Json& row : golden_) {
    const std::string text = from_base64(row["text"].get<std::string>());
    const auto ids = row["ids"].get<std::vector<std::int32_t>>();
    ASSERT_EQ(tokenizer_->encode(text, false), ids) << text;
    if (!row.contains("decoded")) continue;
    ++decoded;
    ASSERT_EQ(tokenizer_->decode(ids), row["decoded"].get<std::string>()) << text;
    Detokenizer detokenizer(tokenizer_, false);
    std::string pieces;
    for (const std::int32_t id : ids) pieces += detokenizer.feed(id);
    ASSERT_EQ(pieces + detokenizer.flush(), row["decoded"].get<std::string>()) << text;
  }
  EXPECT_GT(decoded, GetParam() == std::string_view("word") ? 4 : 40);  // most hostile words are unknown
}

class DamagedFiles : public OlderFiles {};

TEST_P(DamagedFiles, DamageIsAnErrorOrAnotherTokenizer) {
  const bool pieces = fs::exists(files() / GetParam() / "tokenizer.model") ||
                      fs::exists(files() / GetParam() / "spiece.model");
  std::string bytes;
  for (const char* name :
       {"tokenizer.model", "spiece.model", "tiktoken.model", "qwen.tiktoken", "cl100k_base.tiktoken"}) {
    if (fs::exists(files() / GetParam() / name)) bytes = read_file(files() / GetParam() / name);
  }
  const auto kind = pieces ? TokenizerFile::sentencepiece : TokenizerFile::tiktoken;
  const auto parse = [&](std::string_view damaged) {
    try {
      Tokenizer::parse_file(kind, R"({"version": "1.0"})", damaged, [](const Tokenizer&) {
        return Surround{};
      })->encode("It's 42 e\u0301  ");
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  ASSERT_TRUE(parse(bytes));
  EXPECT_FALSE(parse(std::string_view(bytes).substr(0, 100)));
  for (std::size_t i = 1; i < bytes.size(); i += bytes.size() / 61) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    parse(damaged);
    parse(std::string_view(bytes).substr(0, i));
  }
}

constexpr const char* kinds[] = {"unigram", "unigram_bytes", "llama", "gemma",     "word",   "char",
                                 "bpe",     "kimi",          "qwen",  "phi3small", "tekken", "tekken_first"};
INSTANTIATE_TEST_SUITE_P(Kinds, OlderFiles, testing::ValuesIn(kinds),
                         [](const auto& kind) { return std::string(kind.param); });
// What damage does to a tekken.json is said below.
INSTANTIATE_TEST_SUITE_P(Kinds, DamagedFiles, testing::ValuesIn(std::begin(kinds), std::end(kinds) - 2),
                         [](const auto& kind) { return std::string(kind.param); });

class OlderFolder : public testing::Test {
 protected:
  void copy(const char* kind, const char* file) {
    fs::copy_file(files() / kind / file, scratch_.path() / file, fs::copy_options::overwrite_existing);
  }
  void put(const char* file, std::string_view content) { write_file_atomic(scratch_.path() / file, content); }
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

using Ids = std::vector<std::int32_t>;

TEST_F(OlderFolder, TekkensSpecialTokensComeFirst) {
  copy("tekken", "tekken.json");
  const TokenizerFolder folder = load();
  EXPECT_EQ(folder.special_token("bos_token"), "<s>");
  EXPECT_EQ(folder.tokenizer->encode("")[0], 1);
  EXPECT_EQ(folder.tokenizer->encode("[INST]</s>", false), (Ids{3, 2}));
  EXPECT_EQ(folder.tokenizer->decode(Ids{1, 3, 2}, true), "");
}

TEST(Tekken, DamageIsAnError) {
  const std::string sound = read_file(files() / "tekken" / "tekken.json");
  EXPECT_EQ(parse_tekken(sound).special.size(), 30U);
  const auto changed = [&](const std::function<void(Json&)>& change) {
    Json json = parse_json(sound, "test");
    change(json);
    try {
      parse_tekken(json.dump());
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::interrupted;
  };
  EXPECT_EQ(changed([](Json&) {}), ErrorKind::interrupted);
  for (const char* key : {"pattern", "default_vocab_size", "default_num_special_tokens"}) {
    EXPECT_EQ(changed([&](Json& json) { json["config"].erase(key); }), ErrorKind::corrupt) << key;
    EXPECT_EQ(changed([&](Json& json) { json["config"][key] = -1; }), ErrorKind::corrupt) << key;
  }
  EXPECT_EQ(changed([](Json& json) { json["config"]["default_vocab_size"] = 1 << 20; }), ErrorKind::corrupt);
  EXPECT_EQ(changed([](Json& json) { json["vocab"][7]["rank"] = 8; }), ErrorKind::corrupt);
  EXPECT_EQ(changed([](Json& json) { json["vocab"][7]["token_bytes"] = "QQ== 3\n"; }), ErrorKind::corrupt);
  EXPECT_EQ(changed([](Json& json) { json["special_tokens"][1]["rank"] = 0; }), ErrorKind::corrupt);
  EXPECT_EQ(changed([](Json& json) { json["special_tokens"][1]["rank"] = 30; }), ErrorKind::corrupt);
  EXPECT_EQ(changed([](Json& json) { json["special_tokens"][1] = 3; }), ErrorKind::corrupt);
}

TEST_F(OlderFolder, TheModelAloneSaysWhereTextsBeginAndEnd) {
  copy("llama", "tokenizer.model");
  TokenizerFolder folder = load();
  EXPECT_EQ(folder.special_token("bos_token"), "<s>");
  EXPECT_EQ(folder.special_token("eos_token"), "</s>");
  Ids ids = folder.tokenizer->encode("a");
  EXPECT_EQ(ids[0], 1);
  EXPECT_EQ(folder.tokenizer->decode(ids, true), "a");
  EXPECT_EQ(folder.tokenizer->encode("</s>", false), Ids{2}) << "control symbols are special tokens";
  copy("gemma", "tokenizer.model");
  folder = load();
  EXPECT_EQ(folder.special_token("bos_token"), "<bos>");
  EXPECT_EQ(folder.tokenizer->encode("<eos>"), (Ids{2, 1}));
}

TEST_F(OlderFolder, TheSpaceGoesBeforeTheFirstTextOrBeforeEach) {
  copy("llama", "tokenizer.model");
  put("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "legacy": true})");
  const auto legacy = load().tokenizer;
  put("tokenizer_config.json",
      R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false, "add_eos_token": true})");
  const auto first = load().tokenizer;
  const Ids with = first->encode("the", false), without = first->encode("<s>the", false);
  EXPECT_NE(Ids(without.begin() + 1, without.end()), with);
  Ids expected{1};
  expected.insert(expected.end(), with.begin(), with.end());
  EXPECT_EQ(legacy->encode("<s>the", false), expected);
  EXPECT_EQ(legacy->encode("the"), expected);
  expected = with;
  expected.push_back(2);
  EXPECT_EQ(first->encode("the"), expected);
}

TEST_F(OlderFolder, AddedTokensGetTheIdsTheyAreGiven) {
  copy("llama", "tokenizer.model");
  const std::int32_t size = load().tokenizer->size();
  put("added_tokens.json", fmt::format(R"({{"<|im_end|>": {}, "<|im_start|>": {}}})", size + 1, size));
  put("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizerFast", "eos_token": "<|im_end|>"})");
  const TokenizerFolder folder = load();
  EXPECT_EQ(folder.tokenizer->encode("<|im_start|><|im_end|>", false), (Ids{size, size + 1}));
  EXPECT_EQ(folder.special_token("eos_token"), "<|im_end|>");
  EXPECT_EQ(folder.tokenizer->decode(Ids{size, size + 1}, true), "<|im_start|>") << "only eos is special";
  put("added_tokens.json", fmt::format(R"({{"<|im_end|>": {}}})", size + 7));
  EXPECT_EQ(failure().kind(), ErrorKind::unsupported);
  EXPECT_NE(failure().message().find("<|im_end|>"), std::string::npos) << failure().message();
}

TEST_F(OlderFolder, T5EndsTextsAndHasSentinels) {
  copy("unigram", "spiece.model");
  copy("unigram", "tokenizer_config.json");
  const auto tokenizer = load().tokenizer;
  EXPECT_EQ(tokenizer->encode("").back(), 2);
  EXPECT_EQ(tokenizer->id_of("<extra_id_0>"), tokenizer->size() - 1);
  EXPECT_EQ(tokenizer->id_of("<extra_id_99>"), tokenizer->size() - 100);
}

TEST_F(OlderFolder, WhatCannotBeReadIsNamed) {
  copy("kimi", "tiktoken.model");
  put("tokenizer_config.json", R"({"tokenizer_class": "SecretTokenizer"})");
  EXPECT_EQ(failure().kind(), ErrorKind::unsupported);
  EXPECT_NE(failure().message().find("SecretTokenizer"), std::string::npos);
  copy("llama", "tokenizer.model");
  put("tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizer"})");
  EXPECT_EQ(failure().kind(), ErrorKind::unsupported);
  EXPECT_NE(failure().message().find("XLMRobertaTokenizer"), std::string::npos);
  put("tokenizer.model", "\nx");
  put("tokenizer_config.json", "{}");
  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
  EXPECT_NE(std::string(failure().what()).find("tokenizer.model"), std::string::npos) << failure().what();
}

}  // namespace
}  // namespace pome::text
