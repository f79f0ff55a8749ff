#include "formats/layout.h"

#include <gtest/gtest.h>

#include <cstring>

#include "pome/error.h"

namespace pome::formats {
namespace {

using Kind = Rename::Kind;
using Shape = std::vector<std::int64_t>;

// Elements 0, 1, 2, … in F32.
Tensor counting(std::string name, Shape shape, float first = 0) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.file = "test";
  tensor.dtype = Dtype::f32;
  tensor.shape = std::move(shape);
  auto values = std::make_shared<std::vector<float>>(static_cast<std::size_t>(tensor.elements()));
  for (float& value : *values) value = first++;
  tensor.data = reinterpret_cast<const std::byte*>(values->data());
  tensor.size_bytes = values->size() * sizeof(float);
  tensor.owner = std::move(values);
  return tensor;
}

TensorTable table_of(std::vector<Tensor> tensors) {
  TensorTable table("test");
  for (Tensor& tensor : tensors) table.add(std::move(tensor));
  return table;
}

std::vector<float> values_of(const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
  std::memcpy(values.data(), tensor.data, tensor.size_bytes);
  return values;
}

std::vector<float> made(const Layout& layout, std::string_view name) {
  return values_of(make(*layout.find(name)));
}

std::string refusal(std::vector<Tensor> tensors, std::span<const Rename> rows, const Json& config = {},
                    Folds folds = Folds::apart) {
  try {
    const Layout layout(table_of(std::move(tensors)), rows, config, folds);
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing";
}

TEST(Layout, NamesThatNoRowMatchesAreTheFilesOwn) {
  const TensorTable files = table_of({counting("a", {2, 3})});
  const Layout layout(files, {}, {});
  EXPECT_TRUE(layout.find("a")->as_stored());
  EXPECT_EQ(make(*layout.find("a")).data, files.at("a").data);
}

constexpr Rename stack[] = {{.kind = Kind::stack, .pattern = ".experts.#.", .to = ".stack."}};

TEST(Layout, NumberedTensorsBecomeAStackInTheOrderOfTheirNumbers) {
  std::vector<Tensor> experts;
  for (const int e : {10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9}) {
    experts.push_back(counting(fmt::format("l.experts.{}.up", e), {1, 2}, static_cast<float>(10 * e)));
  }
  const Layout layout(table_of(experts), stack, {});
  const Recipe& recipe = *layout.find("l.stack.up");
  EXPECT_EQ(recipe.shape, (Shape{11, 1, 2}));
  EXPECT_EQ(recipe.pieces(), 11);
  EXPECT_EQ(values_of(make_piece(recipe, 2)), (std::vector<float>{20, 21}));
  EXPECT_EQ(made(layout, "l.stack.up").back(), 101);
}

TEST(Layout, StacksWithGapsOrUnequalPartsAreRefused) {
  EXPECT_EQ(refusal({counting("l.experts.0.up", {2}), counting("l.experts.2.up", {2})}, stack),
            "test: \"l.stack.up\" has 2 parts, but one numbered 2; nothing was loaded");
  EXPECT_EQ(refusal({counting("l.experts.0.up", {2}), counting("l.experts.1.up", {3})}, stack),
            "test: tensor \"l.experts.1.up\" is F32 [3], its siblings are F32 [2]");
  EXPECT_EQ(refusal({counting("l.experts.0.up", {2}), counting("l.experts.00.up", {2})}, stack),
            "test: tensors \"l.experts.00.up\" and \"l.experts.0.up\" are both \"l.stack.up\"");
  EXPECT_EQ(refusal({counting("l.experts.0.up", {2}), counting("l.stack.up", {2})}, stack),
            "test: tensors \"l.stack.up\" and \"l.experts.0.up\" are both \"l.stack.up\"");
}

TEST(Layout, RowsAreHalvedOrTakenInTurn) {
  constexpr Rename rows[] = {
      {.kind = Kind::halves, .pattern = ".both", .to = ".first", .second = ".rest"},
      {.kind = Kind::alternate, .pattern = ".mixed", .to = ".even", .second = ".odd"},
      {.kind = Kind::alternate, .pattern = ".bias", .to = ".even_bias", .second = ".odd_bias", .axis = -1}};
  const TensorTable files = table_of({counting("m.both", {4, 1}), counting("s.both", {2, 2, 2}),
                                      counting("s.mixed", {2, 4, 1}), counting("s.bias", {1, 4})});
  const Layout layout(files, rows, {});
  EXPECT_EQ(made(layout, "m.rest"), (std::vector<float>{2, 3}));
  EXPECT_EQ(make(*layout.find("m.rest")).data, files.at("m.both").data + 8) << "a view";
  EXPECT_EQ(made(layout, "s.first"), (std::vector<float>{0, 1, 4, 5}));
  EXPECT_EQ(values_of(make_piece(*layout.find("s.rest"), 1)), (std::vector<float>{6, 7}));
  EXPECT_EQ(made(layout, "s.even"), (std::vector<float>{0, 2, 4, 6}));
  EXPECT_EQ(values_of(make_piece(*layout.find("s.odd"), 1)), (std::vector<float>{5, 7}));
  EXPECT_EQ(made(layout, "s.odd_bias"), (std::vector<float>{1, 3}));
  EXPECT_EQ(refusal({counting("m.both", {3, 1})}, rows),
            "test: tensor \"m.both\" is F32 [3, 1], expected two equal halves");
  EXPECT_EQ(refusal({counting("m.both", {4})}, rows),
            "test: tensor \"m.both\" is F32 [4], expected 2 axes or more");
}

TEST(Layout, ProjectionsOfHeadsAreCutByTheConfig) {
  constexpr Rename rows[] = {{.kind = Kind::heads, .pattern = ".b.weight", .to = ".b.heads", .key = "heads"},
                             {.kind = Kind::split,
                              .pattern = ".b.heads",
                              .to = ".k.rows",
                              .second = ".v",
                              .key = "k",
                              .otherwise = 1},
                             {.kind = Kind::transpose, .pattern = ".k.rows", .to = ".k"}};
  const Json config{{"heads", 2}};
  const Layout layout(table_of({counting("l.b.weight", {6, 2})}), rows, config);
  EXPECT_EQ(layout.find("l.k")->shape, (Shape{2, 2, 1}));
  EXPECT_EQ(made(layout, "l.k"), (std::vector<float>{0, 1, 6, 7}));
  EXPECT_EQ(made(layout, "l.v"), (std::vector<float>{2, 3, 4, 5, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(make_piece(*layout.find("l.v"), 1)), (std::vector<float>{8, 9, 10, 11}));
  const Layout quantized(table_of({counting("l.b.weight", {6, 2}), counting("l.b.scales", {6, 1})}), rows,
                         config);
  EXPECT_TRUE(quantized.contains("l.b.weight")) << "codes cannot be transposed";
  EXPECT_EQ(refusal({counting("l.b.weight", {5, 2})}, rows, config),
            "test: tensor \"l.b.weight\" is F32 [5, 2], expected a matrix whose rows 2 heads share");
  EXPECT_EQ(refusal({counting("l.b.weight", {6, 2})}, rows, Json{{"heads", 0}}), "config.json: heads is 0");
  EXPECT_EQ(refusal({counting("l.b.weight", {6, 2})}, rows, Json{{"heads", 2}, {"k", 3}}),
            "test: tensor \"l.b.weight\" is F32 [6, 2], expected more than 3 rows per matrix");
}

TEST(Layout, TransposesEachMatrixOfAStack) {
  constexpr Rename rows[] = {{.kind = Kind::transpose, .pattern = ".down", .to = ".weight"}};
  const Layout layout(table_of({counting("l.down", {2, 2, 3})}), rows, {});
  EXPECT_EQ(made(layout, "l.weight"), (std::vector<float>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  EXPECT_EQ(values_of(make_piece(*layout.find("l.weight"), 1)), (std::vector<float>{6, 9, 7, 10, 8, 11}));
}

TEST(Layout, PublishedBlocksAreMlxsWords) {
  constexpr Rename rows[] = {{.kind = Kind::words, .pattern = "_blocks", .to = ".weight"}};
  Tensor blocks = counting("l_blocks", {2, 3, 4});
  blocks.dtype = Dtype::u8;
  blocks.shape = {2, 3, 1, 16};
  const Layout layout(table_of({blocks}), rows, {});
  const Tensor words = make(*layout.find("l.weight"));
  EXPECT_EQ(words.dtype, Dtype::u32);
  EXPECT_EQ(words.shape, (Shape{2, 3, 4}));
  EXPECT_EQ(words.data, blocks.data);
  EXPECT_EQ(make_piece(*layout.find("l.weight"), 1).data, blocks.data + 48);
  EXPECT_EQ(refusal({counting("l_blocks", {2, 16})}, rows),
            "test: tensor \"l_blocks\" is F32 [2, 16], expected U8 in blocks of 16");
}

TEST(Layout, FoldsAreForPublishedFilesAndWhoAsksForThem) {
  constexpr Rename rows[] = {{.kind = Kind::taps, .pattern = ".conv.weight"},
                             {.kind = Kind::add_one, .pattern = ".norm"},
                             {.kind = Kind::scale, .pattern = ".proj", .factors = [](const Json&) {
                                return std::vector<float>{2, 3};
                              }}};
  const auto files = [](Shape taps) {
    return table_of(
        {counting("l.conv.weight", std::move(taps)), counting("l.norm", {2}), counting("l.proj", {2, 1}, 1)});
  };
  const TensorTable published = files({2, 1, 4}), mlx = files({2, 4, 1});
  const Layout folded(published, rows, {}, Folds::folded);
  EXPECT_TRUE(folded.published());
  EXPECT_EQ(folded.find("l.conv.weight")->shape, (Shape{2, 4, 1}));
  EXPECT_EQ(made(folded, "l.norm"), (std::vector<float>{1, 2}));
  EXPECT_EQ(made(folded, "l.proj"), (std::vector<float>{2, 6}));
  const Layout apart(published, rows, {});
  EXPECT_TRUE(apart.published());
  EXPECT_TRUE(apart.find("l.norm")->as_stored());
  const Layout already(mlx, rows, {}, Folds::folded);
  EXPECT_FALSE(already.published());
  for (const Recipe& recipe : already) EXPECT_TRUE(recipe.as_stored()) << recipe.name;
  EXPECT_EQ(
      refusal({counting("l.conv.weight", {2, 1, 4}), counting("l.proj", {3, 1})}, rows, {}, Folds::folded),
      "test: tensor \"l.proj\" is F32 [3, 1], expected 2 rows");
}

TEST(Layout, FactorsRoundToTheTensorsOwnType) {
  constexpr Rename rows[] = {{.kind = Kind::taps, .pattern = ".conv"},
                             {.kind = Kind::add_one, .pattern = ".norm"}};
  Tensor norm = counting("l.norm", {1});
  const std::uint16_t third[] = {f32_to_bf16(1.0F / 3), f32_to_bf16(-0.5F)};
  norm.dtype = Dtype::bf16;
  norm.shape = {2};
  norm.data = reinterpret_cast<const std::byte*>(third);
  const Layout layout(table_of({norm, counting("l.conv", {1, 1, 2})}), rows, {}, Folds::folded);
  const Tensor made = make(*layout.find("l.norm"));
  std::uint16_t found[2];
  ASSERT_EQ(made.size_bytes, sizeof(found));
  std::memcpy(found, made.data, sizeof(found));
  EXPECT_EQ(found[0], f32_to_bf16(bf16_to_f32(third[0]) + 1));
  EXPECT_EQ(bf16_to_f32(found[1]), 0.5F);
}

TEST(Layout, DroppedAndRemovedTensorsAreGone) {
  constexpr Rename rows[] = {{.kind = Kind::drop, .pattern = "*.inv_freq"}};
  Layout layout(table_of({counting("a.inv_freq", {1}), counting("b", {1}), counting("c", {1})}), rows, {});
  EXPECT_EQ(layout.dropped(), std::vector<std::string>{"a.inv_freq"});
  layout.remove({"b"});
  EXPECT_EQ(layout.size(), 1U);
  EXPECT_FALSE(layout.contains("b"));
  EXPECT_EQ(layout.find("c")->name, "c");
}

}  // namespace
}  // namespace pome::formats
