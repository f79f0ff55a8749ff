#include "text/grammar.h"

#include <gtest/gtest.h>

#include <optional>

#include "text/golden_test.h"

namespace pome::text {
namespace {

class GrammarTest : public testing::Test {
 protected:
  bool allows(Grammar& grammar, std::int32_t id) {
    std::vector<std::uint32_t> mask(grammar.mask_words());
    grammar.mask(mask);
    return (mask[static_cast<std::size_t>(id) / 32] >> (id % 32) & 1) != 0;
  }

  // Feeds the tokens of text one by one; the position of the first one that the mask forbids.
  std::optional<std::size_t> refused_at(Grammar& grammar, std::string_view text) {
    const std::vector<std::int32_t> ids = tokenizer_->encode(text, false);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!allows(grammar, ids[i])) {
        EXPECT_THROW(grammar.commit(ids[i]), Error);
        return i;
      }
      grammar.commit(ids[i]);
    }
    return std::nullopt;
  }

  bool accepts(GrammarLanguage language, std::string_view source, std::string_view text) {
    Grammar grammar(vocabulary_, language, source);
    return !refused_at(grammar, text) && grammar.is_accepting() && allows(grammar, end_);
  }

  ErrorKind failure_of(GrammarLanguage language, std::string_view source, std::string_view part) {
    try {
      Grammar grammar(vocabulary_, language, source);
    } catch (const Error& e) {
      EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
      return e.kind();
    }
    return ErrorKind::interrupted;
  }

  std::shared_ptr<const Tokenizer> tokenizer_ = golden_tokenizer("llama3");
  std::int32_t end_ = tokenizer_->id_of("<|eot_id|>").value();
  std::int32_t logits_ = tokenizer_->size() + 37;
  Vocabulary vocabulary_{*tokenizer_, logits_, {&end_, 1}};
};

constexpr std::string_view schema = R"({
  "type": "object",
  "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
  "required": ["name", "age"],
  "additionalProperties": false
})";

TEST_F(GrammarTest, JsonSchema) {
  using enum GrammarLanguage;
  EXPECT_TRUE(accepts(json_schema, schema, R"({"name": "Zoë 😀", "age": 41})"));
  EXPECT_FALSE(accepts(json_schema, schema, R"({"name": "x"})"));
  EXPECT_FALSE(accepts(json_schema, schema, R"({"name": 1, "age": 41})"));
  EXPECT_FALSE(accepts(json_schema, schema, R"({"name": "x", "age": -1})"));
  EXPECT_FALSE(accepts(json_schema, schema, R"({"name": "x", "age": 1, "more": 2})"));
  EXPECT_FALSE(accepts(json_schema, schema, R"({"name": "x", "age": 1} and)"));
  EXPECT_TRUE(accepts(json_object, "", R"({"anything": [1, {"goes": null}]})"));
  EXPECT_FALSE(accepts(json_object, "", "[1]"));
}

TEST_F(GrammarTest, RegexAndLark) {
  using enum GrammarLanguage;
  EXPECT_TRUE(accepts(regex, "(yes|no), [0-9]{2,3}", "yes, 42"));
  EXPECT_FALSE(accepts(regex, "(yes|no), [0-9]{2,3}", "no, 4"));
  EXPECT_TRUE(accepts(lark, "start: \"a\" start \"b\" | \"c\"", "aacbb"));
  EXPECT_FALSE(accepts(lark, "start: \"a\" start \"b\" | \"c\"", "aacb"));
}

TEST_F(GrammarTest, MasksAllowExactlyWhatFits) {
  Grammar grammar(vocabulary_, GrammarLanguage::regex, "the (cat|dog)");
  const TokenTable& table = tokenizer_->table();
  for (std::int32_t id = 0; id < logits_; ++id) {
    const bool fits = id < tokenizer_->size() &&
                      (table.flags[static_cast<std::size_t>(id)] & token_special) == 0 &&
                      !table.bytes(id).empty() &&
                      (std::string_view("the cat").starts_with(table.bytes(id)) ||
                       std::string_view("the dog").starts_with(table.bytes(id)));
    EXPECT_EQ(allows(grammar, id), fits) << id;
  }
  EXPECT_EQ(grammar.forced_text(), "the ");
}

TEST_F(GrammarTest, EndComesOnlyAtTheEnd) {
  Grammar grammar(vocabulary_, GrammarLanguage::regex, "ab?");
  EXPECT_FALSE(grammar.is_accepting());
  EXPECT_FALSE(allows(grammar, end_));
  EXPECT_EQ(refused_at(grammar, "a"), std::nullopt);
  EXPECT_TRUE(grammar.is_accepting());
  EXPECT_FALSE(grammar.is_stopped());
  EXPECT_TRUE(allows(grammar, end_));
  EXPECT_EQ(refused_at(grammar, "b"), std::nullopt);
  EXPECT_TRUE(grammar.is_accepting());
  EXPECT_TRUE(allows(grammar, end_));
  EXPECT_TRUE(grammar.is_stopped());
}

TEST_F(GrammarTest, RollbackAndClone) {
  Grammar grammar(vocabulary_, GrammarLanguage::json_schema, schema);
  EXPECT_EQ(refused_at(grammar, R"({"name": ")"), std::nullopt);
  Grammar copy = grammar.clone();
  const auto ids = tokenizer_->encode(R"(Ann", "age": 7)", false);
  grammar.commit(ids);
  EXPECT_EQ(refused_at(grammar, "}"), std::nullopt);
  EXPECT_TRUE(grammar.is_accepting());
  grammar.rollback(1 + ids.size());
  EXPECT_EQ(refused_at(grammar, R"(Bob", "age": 9})"), std::nullopt);
  EXPECT_TRUE(grammar.is_accepting());
  EXPECT_FALSE(copy.is_accepting());
  EXPECT_EQ(refused_at(copy, R"(Eve", "age": 1})"), std::nullopt);
  EXPECT_TRUE(copy.is_accepting());
}

TEST_F(GrammarTest, RefusedTokensChangeNothing) {
  Grammar grammar(vocabulary_, GrammarLanguage::regex, "abc");
  const auto good = tokenizer_->encode("a", false), bad = tokenizer_->encode("az", false);
  EXPECT_THROW(grammar.commit(bad), Error);
  EXPECT_EQ(refused_at(grammar, "abc"), std::nullopt);
  EXPECT_TRUE(grammar.is_accepting());
  EXPECT_THROW(grammar.commit(-5), Error);
  std::vector<std::uint32_t> short_mask(1);
  EXPECT_THROW(grammar.mask(short_mask), Error);
}

TEST_F(GrammarTest, ByteFallbackTokenizersWorkToo) {
  const auto tokenizer = golden_tokenizer("gemma");
  const std::int32_t end = tokenizer->id_of("</s>").value();
  const Vocabulary vocabulary(*tokenizer, tokenizer->size(), {&end, 1});
  Grammar grammar(vocabulary, GrammarLanguage::json_object, "");
  grammar.commit(tokenizer->encode(R"({"duck": "🦆"})", false));
  EXPECT_TRUE(grammar.is_accepting());
}

TEST_F(GrammarTest, RefusalsNameTheKeyword) {
  using enum GrammarLanguage;
  EXPECT_EQ(failure_of(json_schema, R"({"type": "array", "uniqueItems": true})", "uniqueItems"),
            ErrorKind::unsupported);
  EXPECT_EQ(failure_of(json_schema, R"({"not": {"type": "string"}})", "not"), ErrorKind::unsupported);
  EXPECT_EQ(failure_of(json_schema, "{", "JSON"), ErrorKind::usage);
  EXPECT_EQ(failure_of(regex, "(unclosed", ""), ErrorKind::unsupported);
  EXPECT_EQ(failure_of(lark, "start: missing", "missing"), ErrorKind::unsupported);
  EXPECT_EQ(failure_of(lark, "start: " + std::string(100'000, '('), "nests"), ErrorKind::resource);
  EXPECT_EQ(failure_of(json_schema, std::string(100'000, '['), "nests"), ErrorKind::resource);
}

TEST_F(GrammarTest, VocabulariesAreChecked) {
  EXPECT_THROW(Vocabulary(*tokenizer_, 3, {&end_, 1}), Error);
  EXPECT_THROW(Vocabulary(*tokenizer_, logits_, {}), Error);
  const std::int32_t far = logits_;
  EXPECT_THROW(Vocabulary(*tokenizer_, logits_, {&far, 1}), Error);
  const auto opaque = golden_tokenizer("bert_cleanup");
  EXPECT_THROW(Vocabulary(*opaque, opaque->size(), {&end_, 1}), Error);
}

}  // namespace
}  // namespace pome::text
