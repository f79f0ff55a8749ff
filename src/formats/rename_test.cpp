#include "formats/rename.h"

#include <gtest/gtest.h>

namespace pome::formats {
namespace {

TEST(Rename, PatternsHaveAtMostOneStar) {
  EXPECT_TRUE(matches("a.b", "a.b"));
  EXPECT_FALSE(matches("a.b", "a.bc"));
  EXPECT_TRUE(matches("*.inv_freq", "model.layers.0.inv_freq"));
  EXPECT_FALSE(matches("*.inv_freq", "model.inv_freq.x"));
  EXPECT_TRUE(matches("lm_head.*", "lm_head."));
  EXPECT_FALSE(matches("ab*ba", "aba")) << "both ends may not share a letter";
  EXPECT_TRUE(matches("*", ""));
}

TEST(Rename, TablesDropAndExchangePrefixesInOrder) {
  constexpr Rename table[] = {
      {.kind = Rename::Kind::prefix, .pattern = "language_model.", .to = ""},
      {.kind = Rename::Kind::prefix, .pattern = "transformer.", .to = "model."},
      {.kind = Rename::Kind::drop, .pattern = "model.*.inv_freq"},
  };
  EXPECT_EQ(renamed("language_model.transformer.a", table, {}), "model.a");
  EXPECT_EQ(renamed("language_model.transformer.0.inv_freq", table, {}), std::nullopt);
  EXPECT_EQ(renamed("b", table, {}), "b");
}

TEST(Rename, PartsOfNamesAreReplacedWhereTheyFirstOccur) {
  constexpr Rename table[] = {
      {.kind = Rename::Kind::replace, .pattern = ".block_sparse_moe.", .to = ".mlp."},
      {.kind = Rename::Kind::replace, .pattern = ".w1.", .to = ".gate_proj."},
  };
  EXPECT_EQ(renamed("layers.3.block_sparse_moe.experts.5.w1.weight", table, {}),
            "layers.3.mlp.experts.5.gate_proj.weight");
  EXPECT_EQ(renamed("layers.3.w1.w1.weight", table, {}), "layers.3.gate_proj.w1.weight");
  EXPECT_EQ(renamed("layers.3.norm.weight", table, {}), "layers.3.norm.weight");
}

TEST(Rename, NumbersAreReadWhereAHashStands) {
  constexpr Rename row{.kind = Rename::Kind::stack, .pattern = ".experts.#.", .to = ".stack."};
  const Renamed found = renamed("l.experts.norm.experts.12.up", row);
  EXPECT_EQ(found.name, "l.experts.norm.stack.up");
  EXPECT_EQ(found.number, 12);
  EXPECT_FALSE(renamed("l.experts.x1.up", row).matched);
  EXPECT_FALSE(renamed("l.experts.1234567.up", row).matched) << "more digits than any model has experts";
  EXPECT_FALSE(renamed("l.experts.3", row).matched);
}

TEST(Rename, RowsCountWhereTheirConditionHolds) {
  constexpr Rename table[] = {
      {.kind = Rename::Kind::replace, .pattern = "a", .to = "b", .when = [](const Json& c) {
         return c.contains("yes");
       }}};
  EXPECT_EQ(renamed("a", table, Json{{"yes", 1}}), "b");
  EXPECT_EQ(renamed("a", table, Json::object()), "a");
}

}  // namespace
}  // namespace pome::formats
