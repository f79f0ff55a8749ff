#include "formats/rename.h"

#include <gtest/gtest.h>

#include "pome/error.h"

namespace pome::formats {
namespace {

TensorTable table_of(std::initializer_list<const char*> names) {
  TensorTable table("test");
  for (const char* name : names) {
    Tensor tensor;
    tensor.name = name;
    table.add(std::move(tensor));
  }
  return table;
}

std::vector<std::string> names_of(const TensorTable& table) {
  std::vector<std::string> names;
  for (const Tensor& tensor : table) names.push_back(tensor.name);
  return names;
}

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
  std::vector<std::string> dropped;
  const TensorTable renamed =
      apply_renames(table_of({"language_model.transformer.a", "language_model.transformer.0.inv_freq", "b"}),
                    table, dropped);
  EXPECT_EQ(names_of(renamed), (std::vector<std::string>{"model.a", "b"}));
  EXPECT_EQ(dropped.size(), 1U);
  EXPECT_EQ(names_of(apply_renames(renamed, {}, dropped)), names_of(renamed));
}

TEST(Rename, PartsOfNamesAreReplacedWhereTheyFirstOccur) {
  constexpr Rename table[] = {
      {.kind = Rename::Kind::replace, .pattern = ".block_sparse_moe.", .to = ".mlp."},
      {.kind = Rename::Kind::replace, .pattern = ".w1.", .to = ".gate_proj."},
  };
  EXPECT_EQ(renamed("layers.3.block_sparse_moe.experts.5.w1.weight", table),
            "layers.3.mlp.experts.5.gate_proj.weight");
  EXPECT_EQ(renamed("layers.3.w1.w1.weight", table), "layers.3.gate_proj.w1.weight");
  EXPECT_EQ(renamed("layers.3.norm.weight", table), "layers.3.norm.weight");
}

TEST(Rename, TwoTensorsOfOneNameAreRefused) {
  constexpr Rename table[] = {{.kind = Rename::Kind::prefix, .pattern = "old.", .to = ""}};
  std::vector<std::string> dropped;
  EXPECT_THROW(apply_renames(table_of({"a", "old.a"}), table, dropped), Error);
}

}  // namespace
}  // namespace pome::formats
