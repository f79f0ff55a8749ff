// 8-bit floats against products in float32, and files that contradict themselves. Goldens compare whole
// models.
#include "models/fp8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "nn/dense.h"
#include "quant/small_floats.h"

namespace pome::models {
namespace {

template <class T>
formats::Tensor tensor(const std::string& name, Dtype dtype, std::vector<std::int64_t> shape,
                       std::vector<T> values) {
  formats::Tensor like;
  like.name = name;
  return nn::owned_tensor(like, dtype, std::move(shape), std::move(values));
}

formats::Tensor weight(std::vector<std::int64_t> shape) {
  std::vector<std::uint8_t> codes(
      static_cast<std::size_t>(formats::tensor_size_bytes(Dtype::f8_e4m3, shape).value()));
  for (std::size_t i = 0; i < codes.size(); ++i)
    codes[i] = static_cast<std::uint8_t>(i * 37 % 127 + (i % 3) * 128 % 256);
  return tensor("a.weight", Dtype::f8_e4m3, std::move(shape), std::move(codes));
}

formats::Tensor scales(std::vector<std::int64_t> shape) {
  std::size_t count = 1;
  for (const std::int64_t n : shape) count *= static_cast<std::size_t>(n);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = 0.013F * static_cast<float>(i + 1);
  return tensor("a.weight_scale_inv", Dtype::f32, std::move(shape), std::move(values));
}

formats::TensorTable table(formats::Tensor w, formats::Tensor s) {
  formats::TensorTable tensors("test");
  tensors.add(std::move(w));
  tensors.add(std::move(s));
  tensors.add(tensor<float>("a.activation_scale", Dtype::f32, {}, {1.0F}));
  tensors.add(tensor<float>("b.weight", Dtype::f32, {1}, {2.0F}));
  return tensors;
}

void expect_products(
    const formats::TensorTable& from, const Fp8& settings,
    const std::function<std::size_t(std::int64_t matrix, std::int64_t row, std::int64_t column)>& scale_of) {
  const formats::TensorTable decoded = decode_fp8(from, settings, true);
  EXPECT_EQ(decoded.size(), 2U) << "scales are gone, the dense weight stays";
  const formats::Tensor& made = decoded.at("a.weight");
  ASSERT_EQ(made.dtype, Dtype::bf16);
  const formats::Tensor& source = from.at("a.weight");
  ASSERT_EQ(made.shape, source.shape);
  EXPECT_EQ(decoded_bytes(from), made.size_bytes);
  const std::vector<float> found = nn::to_floats(made),
                           factors = nn::to_floats(from.at("a.weight_scale_inv"));
  const std::int64_t columns = source.shape.back(), rows = source.shape.at(source.shape.size() - 2);
  for (std::int64_t i = 0; i < source.elements(); ++i) {
    const float code = quant::e4m3_to_f32(static_cast<std::uint8_t>(source.data[i]));
    const float factor = factors.at(scale_of(i / columns / rows, i / columns % rows, i % columns));
    const float expected = bf16_to_f32(f32_to_bf16(code * factor));
    ASSERT_TRUE(found[static_cast<std::size_t>(i)] == expected || std::isnan(expected)) << i;
  }
}

TEST(Fp8, EveryFormOfScalesIsRead) {
  expect_products(table(weight({70, 50}), scales({3, 3})), {32, 20}, [](auto, auto row, auto column) {
    return static_cast<std::size_t>(row / 32 * 3 + column / 20);
  });
  expect_products(table(weight({7, 50}), scales({})), {}, [](auto, auto, auto) { return std::size_t{0}; });
  expect_products(table(weight({7, 50}), scales({7, 1})), {},
                  [](auto, auto row, auto) { return static_cast<std::size_t>(row); });
  expect_products(table(weight({3, 10, 50}), scales({3, 2, 3})), {8, 20},
                  [](auto matrix, auto row, auto column) {
                    return static_cast<std::size_t>((matrix * 2 + row / 8) * 3 + column / 20);
                  });
}

TEST(Fp8, FactsNeedNoValues) {
  const formats::TensorTable made = decode_fp8(table(weight({70, 50}), scales({3, 3})), {32, 20}, false);
  EXPECT_EQ(nn::to_floats(made.at("a.weight")), std::vector<float>(3500, 0.0F));
}

TEST(Fp8, ContradictionsAreRefused) {
  const auto kind = [](const formats::TensorTable& tensors, const Fp8& settings) {
    try {
      decode_fp8(tensors, settings, true);
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::interrupted;
  };
  EXPECT_EQ(kind(table(weight({70, 50}), scales({3, 2})), {32, 20}), ErrorKind::corrupt);
  EXPECT_EQ(kind(table(weight({70, 50}), scales({50})), {}), ErrorKind::corrupt);
  EXPECT_EQ(kind(table(weight({0, 50}), scales({})), {}), ErrorKind::corrupt);
  const auto parse = [](std::string_view settings) {
    const Json config = parse_json(fmt::format(R"({{"quantization_config": {}}})", settings), "test");
    if (!is_fp8(config)) return ErrorKind::not_found;
    try {
      parse_fp8(config, "test");
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::interrupted;
  };
  EXPECT_EQ(parse(R"({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]})"),
            ErrorKind::interrupted);
  EXPECT_EQ(parse(R"({"quant_method": "fp8", "weight_block_size": null})"), ErrorKind::interrupted);
  EXPECT_EQ(parse(R"({"quant_method": "fp8", "weight_block_size": [128]})"), ErrorKind::corrupt);
  EXPECT_EQ(parse(R"({"quant_method": "fp8", "weight_block_size": [0, 8]})"), ErrorKind::corrupt);
  EXPECT_EQ(parse(R"({"quant_method": "fp8", "fmt": "e5m2"})"), ErrorKind::unsupported);
  EXPECT_EQ(parse(R"({"bits": 4})"), ErrorKind::not_found);
}

}  // namespace
}  // namespace pome::models
