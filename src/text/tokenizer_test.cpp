#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "text/golden_test.h"

namespace pome::text {
namespace {

using Ids = std::vector<std::int32_t>;

const Json& goldens() {
  static const Json json = load_json(golden_folder() / "tokenizers.json")["kinds"];
  return json;
}

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  const Json& golden() { return goldens()[GetParam()]; }
  std::shared_ptr<const Tokenizer> tokenizer_ = golden_tokenizer(GetParam());
};

TEST_P(TokenizerGolden, HostileTextHasTheReferencesIds) {
  for (const Json& row : golden()["texts"]) {
    const std::string text = from_base64(row["text"].get<std::string>());
    const Ids ids = row["ids"];
    EXPECT_EQ(tokenizer_->encode(text, false), ids) << testing::PrintToString(text);
    const Ids full = row.contains("with_special") ? row["with_special"].get<Ids>() : ids;
    EXPECT_EQ(tokenizer_->encode(text, true), full) << testing::PrintToString(text);
    const std::string decoded = row["decoded"];
    EXPECT_EQ(tokenizer_->decode(ids), decoded);
    const std::string skipping =
        row.contains("decoded_skipping") ? row["decoded_skipping"].get<std::string>() : decoded;
    EXPECT_EQ(tokenizer_->decode(full, true), skipping);
  }
}

TEST_P(TokenizerGolden, IdsInAnyOrderDecodeAsTheReferenceSays) {
  for (const Json& row : golden()["shuffled"]) {
    const Ids ids = row["ids"];
    EXPECT_EQ(tokenizer_->decode(ids), row["decoded"].get<std::string>()) << testing::PrintToString(ids);
    EXPECT_EQ(tokenizer_->decode(ids, true), row["decoded_skipping"].get<std::string>());
  }
}

TEST_P(TokenizerGolden, AMillionSpaces) {
  EXPECT_EQ(tokenizer_->encode(std::string(1'000'000, ' '), false).size(),
            golden()["million_spaces"].get<std::size_t>());
}

TEST_P(TokenizerGolden, AddedTokensAreListed) {
  ASSERT_EQ(tokenizer_->added_tokens().size(), golden()["added"].size());
  for (std::size_t i = 0; i < golden()["added"].size(); ++i) {
    const Json& expected = golden()["added"][i];
    const AddedToken& found = tokenizer_->added_tokens()[i];
    EXPECT_EQ(found.id, expected["id"].get<std::int32_t>());
    EXPECT_EQ(found.content, expected["content"].get<std::string>());
    EXPECT_EQ(found.special, expected["special"].get<bool>());
    EXPECT_EQ(tokenizer_->id_of(found.content), found.id);
    EXPECT_EQ(tokenizer_->token(found.id), found.content);
  }
}

TEST_P(TokenizerGolden, IsSharedByThreads) {
  const Json& row = golden()["texts"][9];
  const std::string text = from_base64(row["text"].get<std::string>());
  const Ids ids = row["ids"];
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) count += tokenizer_->encode(text, false) != ids;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerGolden,
                         testing::Values("gpt2", "llama3", "qwen", "llama2", "gemma", "metaspace", "unigram",
                                         "bert", "bert_cleanup"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(Tokenizer, TableNamesTheBytesOfEachToken) {
  const auto tokenizer = golden_tokenizer("llama3");
  const TokenTable& table = tokenizer->table();
  ASSERT_EQ(table.flags.size(), static_cast<std::size_t>(tokenizer->size()));
  ASSERT_EQ(table.offsets.size(), table.flags.size() + 1);
  EXPECT_EQ(table.bytes(tokenizer->id_of("Ġthe").value()), " the");
  EXPECT_EQ(table.bytes(tokenizer->id_of("Ċ").value()), "\n");
  EXPECT_EQ(table.bytes(tokenizer->id_of("Ń").value()), "\xAD");
  const auto end = static_cast<std::size_t>(tokenizer->id_of("<|eot_id|>").value());
  EXPECT_EQ(table.flags[end], token_special | token_added);

  const auto pieces = golden_tokenizer("llama2");
  EXPECT_EQ(pieces->table().bytes(pieces->id_of("▁the").value()), " the");
  EXPECT_EQ(pieces->table().bytes(pieces->id_of("<0xFF>").value()), "\xFF");
  EXPECT_EQ(pieces->table().flags[static_cast<std::size_t>(*pieces->id_of("<0xFF>"))], token_byte);
}

TEST(Tokenizer, UnknownTokensAndIds) {
  const auto tokenizer = golden_tokenizer("gpt2");
  EXPECT_EQ(tokenizer->id_of("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer->token(tokenizer->size()), std::nullopt);
  EXPECT_EQ(tokenizer->token(-1), std::nullopt);
  EXPECT_EQ(tokenizer->decode(Ids{1 << 30, tokenizer->size()}), "");
  EXPECT_THROW(tokenizer->decode(Ids{-1}), Error);
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->decode({}), "");
}

// The same model from the older pair of files: same ids.
TEST(Tokenizer, VocabularyAndMergesInFilesOfTheirOwn) {
  const Json whole = load_json(golden_folder() / "tokenizers/qwen.json");
  Json settings = whole;
  settings["model"].erase("vocab");
  settings["model"].erase("merges");
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : whole["model"]["merges"]) {
    merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  }
  const auto tokenizer = Tokenizer::parse_bpe(settings.dump(), whole["model"]["vocab"].dump(), merges);
  EXPECT_EQ(tokenizer->size(), golden_tokenizer("qwen")->size());
  for (const Json& row : goldens()["qwen"]["texts"]) {
    const std::string text = from_base64(row["text"].get<std::string>());
    EXPECT_EQ(tokenizer->encode(text, false), row["ids"].get<Ids>());
  }
}

TEST(Tokenizer, MergesMayBeWrittenAsOneString) {
  Json json = load_json(golden_folder() / "tokenizers/gpt2.json");
  for (Json& merge : json["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  const auto tokenizer = Tokenizer::parse(json.dump());
  EXPECT_EQ(tokenizer->encode("Hello, world!"), golden_tokenizer("gpt2")->encode("Hello, world!"));
}

ErrorKind kind_of(std::string_view json) {
  try {
    Tokenizer::parse(json);
  } catch (const Error& e) {
    EXPECT_FALSE(e.message().empty());
    return e.kind();
  }
  return ErrorKind::interrupted;
}

TEST(Tokenizer, BrokenFilesAreErrors) {
  const auto bpe = [](std::string_view model) {
    return R"({"version":"1.0","model":{"type":"BPE",)" + std::string(model) + "}}";
  };
  EXPECT_EQ(kind_of(""), ErrorKind::corrupt);
  EXPECT_EQ(kind_of("\xff{}"), ErrorKind::corrupt);
  EXPECT_EQ(kind_of("{}"), ErrorKind::corrupt);
  EXPECT_EQ(kind_of(std::string(100'000, '[')), ErrorKind::corrupt);
  EXPECT_EQ(kind_of(R"({"version":"2.0","model":{"type":"BPE","vocab":{},"merges":[]}})"),
            ErrorKind::unsupported);
  EXPECT_EQ(kind_of(bpe(R"("vocab":{"a":0},"merges":["a b"])")), ErrorKind::corrupt);
  EXPECT_EQ(kind_of(bpe(R"("vocab":{"a":0},"merges":["a"])")), ErrorKind::corrupt);
  EXPECT_EQ(kind_of(bpe(R"("vocab":{"a":-1},"merges":[])")), ErrorKind::corrupt);
  EXPECT_EQ(kind_of(bpe(R"("vocab":{"a":4294967295},"merges":[])")), ErrorKind::corrupt);
  EXPECT_EQ(
      kind_of(bpe(R"("continuing_subword_prefix":"####","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"])")),
      ErrorKind::corrupt);
  EXPECT_EQ(kind_of(R"({"version":"1.0","model":{"type":"Telepathy"}})"), ErrorKind::corrupt);

  // Cut short anywhere, a real file is an error and nothing else.
  const std::string json = read_file(golden_folder() / "tokenizers/bert.json");
  for (std::size_t size = 0; size < json.size(); size += 97) {
    EXPECT_EQ(kind_of(std::string_view(json).substr(0, size)), ErrorKind::corrupt) << size;
  }
}

}  // namespace
}  // namespace pome::text
