#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "text/golden_test.h"
#include "text/utf8.h"

namespace pome::text {
namespace {

using Ids = std::vector<std::int32_t>;

class DetokenizerGolden : public testing::TestWithParam<const char*> {};

void check(const std::shared_ptr<const Tokenizer>& tokenizer, const Ids& ids, bool skip) {
  Detokenizer detokenizer(tokenizer, skip);
  for (int round = 0; round < 2; ++round) {  // flush() begins anew
    std::string text;
    for (const std::int32_t id : ids) {
      const std::string piece = detokenizer.feed(id);
      EXPECT_TRUE(is_utf8(piece)) << testing::PrintToString(piece);
      text += piece;
    }
    const std::string rest = detokenizer.flush();
    EXPECT_TRUE(is_utf8(rest));
    EXPECT_EQ(text + rest, tokenizer->decode(ids, skip)) << testing::PrintToString(ids);
  }
}

TEST_P(DetokenizerGolden, PiecesAddUpToTheWhole) {
  const auto tokenizer = golden_tokenizer(GetParam());
  const Json golden = load_json(golden_folder() / "tokenizers.json")["kinds"][GetParam()];
  for (const char* part : {"texts", "shuffled"}) {
    for (const Json& row : golden[part]) {
      check(tokenizer, row["ids"], false);
      check(tokenizer, row["ids"], true);
      if (row.contains("with_special")) check(tokenizer, row["with_special"], true);
    }
  }
}

TEST_P(DetokenizerGolden, EveryPairOfTokens) {
  const auto tokenizer = golden_tokenizer(GetParam());
  for (std::int32_t a = 0; a < tokenizer->size(); a += 7) {
    for (std::int32_t b = 0; b < tokenizer->size(); b += 11) check(tokenizer, {a, b, a}, b % 2 == 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, DetokenizerGolden,
                         testing::Values("gpt2", "llama3", "qwen", "llama2", "gemma", "metaspace", "unigram",
                                         "bert", "bert_cleanup"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(Detokenizer, TextComesAsSoonAsItsCharactersAreWhole) {
  const auto tokenizer = golden_tokenizer("gpt2");
  Detokenizer detokenizer(tokenizer);
  const Ids ids = tokenizer->encode("go \xF0\x9F\xA6\x86!");  // a duck, unseen in training: four byte tokens
  std::vector<std::string> pieces;
  for (const std::int32_t id : ids) {
    if (std::string piece = detokenizer.feed(id); !piece.empty()) pieces.push_back(piece);
  }
  EXPECT_EQ(pieces.back(), "!");
  EXPECT_EQ(pieces[pieces.size() - 2], "\xF0\x9F\xA6\x86");
  EXPECT_EQ(detokenizer.flush(), "");
}

TEST(Detokenizer, UnfinishedBytesAppearAtTheEnd) {
  const auto tokenizer = golden_tokenizer("llama2");
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.feed(tokenizer->id_of("<0xF0>").value()), "");
  EXPECT_EQ(detokenizer.feed(tokenizer->id_of("<0x9F>").value()), "");
  EXPECT_EQ(detokenizer.flush(), "\uFFFD\uFFFD");
  EXPECT_EQ(detokenizer.flush(), "");
  EXPECT_EQ(detokenizer.feed(1 << 30), "");
  EXPECT_THROW(detokenizer.feed(-1), Error);
}

TEST(Utf8, StepsMatchTheStandard) {
  const auto repaired = [](std::string bytes, bool last = true) {
    std::string text;
    take_utf8(bytes, text, last);
    return text + "|" + bytes;
  };
  EXPECT_EQ(repaired("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "a\u00E9\u20AC\U0001F600|");
  EXPECT_EQ(repaired("\xE2\x82", false), "|\xE2\x82");
  EXPECT_EQ(repaired("\xE2\x82", true), "\uFFFD|");
  EXPECT_EQ(repaired("\xE2\x82x"), "\uFFFDx|");
  EXPECT_EQ(repaired("\xC0\xAF"), "\uFFFD\uFFFD|");
  EXPECT_EQ(repaired("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD|");
  EXPECT_EQ(repaired("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD|");
  EXPECT_EQ(repaired("\xF0\x80\x80"), "\uFFFD\uFFFD\uFFFD|");
  EXPECT_FALSE(is_utf8("\xF0\x9F"));
}

TEST(Detokenizer, ShowsTheSpecialTokensItIsTold) {
  const auto tokenizer = golden_tokenizer("qwen");
  const auto start = tokenizer->id_of("<|im_start|>").value(), end = tokenizer->id_of("<|im_end|>").value();
  Detokenizer detokenizer(tokenizer, true, {end});
  EXPECT_EQ(detokenizer.feed(start) + detokenizer.feed(end) + detokenizer.flush(), "<|im_end|>");
}

}  // namespace
}  // namespace pome::text
