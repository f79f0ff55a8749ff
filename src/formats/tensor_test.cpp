#include "formats/tensor.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/error.h"

namespace pome::formats {
namespace {

using Shape = std::vector<std::int64_t>;

Tensor tensor_of(std::string name, Dtype dtype, Shape shape, std::string file = "a.safetensors") {
  static const std::array<std::byte, 256> bytes{};
  const std::size_t size = tensor_size_bytes(dtype, shape).value();
  return {std::move(name), dtype, std::move(shape), bytes.data(), size, nullptr, std::move(file)};
}

TEST(Tensor, CountsBytesWithoutOverflow) {
  constexpr std::int64_t big = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(tensor_size_bytes(Dtype::f32, Shape{}), 4u);
  EXPECT_EQ(tensor_size_bytes(Dtype::bf16, Shape{64, 128}), 64u * 128 * 2);
  EXPECT_EQ(tensor_size_bytes(Dtype::f32, Shape{0, big, big}), 0u);
  EXPECT_EQ(tensor_size_bytes(Dtype::f32, Shape{big, big, 0}), 0u);
  EXPECT_EQ(tensor_size_bytes(Dtype::f4, Shape{3, 2}), 3u);
  EXPECT_EQ(tensor_size_bytes(Dtype::f4, Shape{3}), std::nullopt);
  EXPECT_EQ(tensor_size_bytes(Dtype::f6_e2m3, Shape{4}), 3u);
  EXPECT_EQ(tensor_size_bytes(Dtype::f6_e2m3, Shape{2}), std::nullopt);
  EXPECT_EQ(tensor_size_bytes(Dtype::u8, Shape{big, 2}), std::nullopt);
  EXPECT_EQ(tensor_size_bytes(Dtype::f64, Shape{1ll << 32, 1ll << 32}), std::nullopt);
  EXPECT_EQ(tensor_size_bytes(Dtype::u8, Shape{-1}), std::nullopt);
}

TEST(Tensor, ShowsItsShape) {
  EXPECT_EQ(tensor_of("w", Dtype::u8, {64, 2}).shape_text(), "[64, 2]");
  EXPECT_EQ(tensor_of("w", Dtype::u8, {}).shape_text(), "[]");
  EXPECT_EQ(tensor_of("w", Dtype::u8, {}).elements(), 1);
  EXPECT_EQ(tensor_of("w", Dtype::u8, {3, 0, 5}).elements(), 0);
}

TEST(Tensor, SlicesRows) {
  const Tensor whole = tensor_of("w", Dtype::f16, {4, 3, 2});
  const Tensor part = whole.slice_rows(1, 2);
  EXPECT_EQ(part.shape, (Shape{2, 3, 2}));
  EXPECT_EQ(part.data, whole.data + 12);
  EXPECT_EQ(part.size_bytes, 24u);
  EXPECT_EQ(whole.slice_rows(4, 0).size_bytes, 0u);
  EXPECT_THROW(whole.slice_rows(3, 2), Error);
  EXPECT_THROW(whole.slice_rows(-1, 2), Error);
  EXPECT_THROW(whole.slice_rows(2, std::numeric_limits<std::int64_t>::max()), Error);
  EXPECT_THROW(tensor_of("w", Dtype::u8, {}).slice_rows(0, 0), Error);
  EXPECT_THROW(tensor_of("w", Dtype::f4, {2, 3}).slice_rows(1, 1), Error);
}

TEST(TensorTable, FindsInOrderAndRefusesTwins) {
  TensorTable table("model");
  table.add(tensor_of("b", Dtype::u8, {2}));
  table.add(tensor_of("a", Dtype::f32, {2, 2}));
  EXPECT_EQ(table.begin()->name, "b");
  EXPECT_EQ(table.at("a").size_bytes, 16u);
  EXPECT_EQ(table.find("c"), nullptr);
  EXPECT_EQ(table.total_bytes(), 18u);
  try {
    table.at("c");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::corrupt);
    EXPECT_STREQ(e.what(), "model: no tensor named \"c\"");
  }
  TensorTable other;
  other.add(tensor_of("a", Dtype::u8, {1}, "b.safetensors"));
  try {
    table.merge(other);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "b.safetensors: tensor \"a\" is also in a.safetensors");
  }
}

}  // namespace
}  // namespace pome::formats
