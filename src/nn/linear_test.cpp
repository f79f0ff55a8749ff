#include "nn/linear.h"

#include <gtest/gtest.h>

#include "nn/dense.h"
#include "pome/error.h"

namespace pome::nn {
namespace {

using formats::Tensor;

Tensor tensor(std::string name, Dtype dtype, std::vector<std::int64_t> shape) {
  Tensor t;
  t.name = std::move(name);
  t.file = "model.safetensors";
  t.dtype = dtype;
  t.size_bytes = *formats::tensor_size_bytes(dtype, shape);
  t.shape = std::move(shape);
  auto bytes = std::make_shared<std::vector<std::byte>>(t.size_bytes);
  t.data = bytes->data();
  t.owner = bytes;
  return t;
}

QuantizationConfig parse(const char* text) {
  return parse_quantization(parse_json(text, "test"), "config.json");
}

template <class F>
void refused(F&& f, ErrorKind kind, const std::string& named) {
  try {
    f();
    ADD_FAILURE() << "taken, though " << named;
  } catch (const Error& e) {
    EXPECT_EQ(error_row(e.kind()).name, error_row(kind).name) << e.what();
    EXPECT_NE(std::string(e.what()).find(named), std::string::npos) << e.what();
  }
}

TEST(QuantizationConfig, HasGeneralSettingsAndExceptions) {
  EXPECT_FALSE(parse("{}").general);
  const auto config =
      parse(R"({"quantization": {"group_size": 32, "bits": 3, "lm_head": {"bits": 8, "group_size": 64},
    "model.layers.0.mlp.gate": false}})");
  ASSERT_TRUE(config.general);
  EXPECT_EQ(config.general->bits, 3);
  EXPECT_EQ(config.general->group_size, 32);
  EXPECT_EQ(config.modules.at("lm_head")->bits, 8);
  EXPECT_FALSE(config.modules.at("model.layers.0.mlp.gate"));
  EXPECT_EQ(parse(R"({"quantization_config": {"bits": 6, "group_size": 64}})").general->bits, 6);

  const auto mixed =
      parse(R"({"quantization": {"group_size": 32, "bits": 4, "lm_head": {"bits": 6, "group_size": null}}})");
  EXPECT_EQ(mixed.modules.at("lm_head")->group_size, 64);

  refused([] { parse(R"({"quantization": 4})"); }, ErrorKind::corrupt, "config.json: quantization");
  refused([] { parse(R"({"quantization": {"bits": 7}})"); }, ErrorKind::unsupported,
          "quantization.bits is 7");
  refused([] { parse(R"({"quantization": {"bits": "4"}})"); }, ErrorKind::corrupt, "bits");
  refused([] { parse(R"({"quantization": {"group_size": 48}})"); }, ErrorKind::unsupported,
          "group_size is 48");
  refused([] { parse(R"({"quantization": {"mode": "nf4"}})"); }, ErrorKind::unsupported, "\"nf4\"");
  refused([] { parse(R"({"quantization": {"x": {"bits": 1}}})"); }, ErrorKind::unsupported,
          "quantization.x.bits");
  refused([] { parse(R"({"quantization": {"x": true}})"); }, ErrorKind::unsupported, "quantization.x");
  refused([] { parse(R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})"); },
          ErrorKind::unsupported, "\"gptq\"");
}

TEST(MakeWeight, TakesDenseAndQuantizedTensors) {
  const Tensor plain = tensor("m.weight", Dtype::bf16, {4, 128});
  EXPECT_FALSE(make_weight("m", {4, 128}, plain, nullptr, nullptr, {}).quantization);
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) {
      const Tensor codes = tensor("m.weight", Dtype::u32, {4, 128 * bits / 32});
      const Tensor scales = tensor("m.scales", Dtype::f16, {4, 128 / group});
      const Tensor biases = tensor("m.biases", Dtype::f16, {4, 128 / group});
      const graph::Weight weight = make_weight("m", {4, 128}, codes, &scales, &biases, {});
      ASSERT_TRUE(weight.quantization);
      EXPECT_EQ(weight.quantization->bits, bits);
      EXPECT_EQ(weight.quantization->group_size, group);
      EXPECT_EQ(weight.in_features(), 128);
      EXPECT_EQ(weight.out_features(), 4);
    }
  }
}

TEST(MakeWeight, TakesStacksAndModesWithScalesOfOneByte) {
  struct Layout {
    const char* mode;
    int bits, group;
  };
  for (const Layout& layout : {Layout{"mxfp4", 4, 32}, Layout{"mxfp8", 8, 32}, Layout{"nvfp4", 4, 16}}) {
    const Tensor codes = tensor("m.weight", Dtype::u32, {3, 4, 128 * layout.bits / 32});
    const Tensor scales = tensor("m.scales", Dtype::u8, {3, 4, 128 / layout.group});
    const auto told = parse(fmt::format(R"({{"quantization": {{"mode": "{}"}}}})", layout.mode).c_str());
    for (const QuantizationConfig& config : {told, QuantizationConfig{}}) {
      const graph::Weight weight = make_weight("m", {3, 4, 128}, codes, &scales, nullptr, config);
      ASSERT_TRUE(weight.quantization);
      EXPECT_EQ(weight.quantization->mode, layout.mode);
      EXPECT_EQ(weight.in_features(), 128);
      EXPECT_EQ(weight.out_features(), 4);
    }
    refused([&] { make_weight("m", {2, 4, 128}, codes, &scales, nullptr, told); }, ErrorKind::corrupt,
            "[2, 4, 128]");
  }
  const auto published = parse(R"({"quantization_config": {"quant_method": "mxfp4"}})");
  EXPECT_EQ(published.general->mode, "mxfp4");
}

TEST(MakeWeight, RefusesWhatDoesNotFitByFileTensorFoundAndExpected) {
  const Tensor plain = tensor("m.weight", Dtype::f32, {4, 64});
  const Tensor codes = tensor("m.weight", Dtype::u32, {4, 8});  // 4 bits of 64
  const Tensor scales = tensor("m.scales", Dtype::f16, {4, 1});
  const Tensor biases = tensor("m.biases", Dtype::f16, {4, 1});
  const auto make = [](const Tensor& w, const Tensor* s, const Tensor* b, const char* config = "{}") {
    return [=, &w, text = std::string(config)] { make_weight("m", {4, 64}, w, s, b, parse(text.c_str())); };
  };
  const Tensor turned = tensor("m.weight", Dtype::f32, {64, 4});
  refused(make(turned, nullptr, nullptr), ErrorKind::corrupt,
          "model.safetensors: tensor \"m.weight\" has shape [64, 4], expected [4, 64]");
  refused(make(codes, nullptr, nullptr), ErrorKind::corrupt, "[4, 8]");
  const Tensor integers = tensor("m.weight", Dtype::i32, {4, 64});
  refused(make(integers, nullptr, nullptr), ErrorKind::corrupt, "I32");
  refused(make(plain, &scales, &biases), ErrorKind::corrupt, "expected U32");
  refused(make(codes, &scales, nullptr), ErrorKind::corrupt, "m.biases");
  const Tensor wrong = tensor("m.scales", Dtype::f16, {4, 3});
  refused(make(codes, &wrong, &biases), ErrorKind::corrupt, "[4, 3]");
  const Tensor two = tensor("m.biases", Dtype::f16, {4, 2});
  refused(make(codes, &scales, &two), ErrorKind::corrupt, "\"m.biases\" has shape [4, 2], expected [4, 1]");
  refused(make(codes, &scales, &biases, R"({"quantization": {"bits": 8, "group_size": 64}})"),
          ErrorKind::corrupt, "has 4 bits in groups of 64, config.json says 8 and 64");
  refused(make(codes, &scales, &biases, R"({"quantization": {"m": false}})"), ErrorKind::corrupt,
          "not quantized");
  refused(make(plain, nullptr, nullptr, R"({"quantization": {"m": {"bits": 8}}})"), ErrorKind::corrupt,
          "no scales");
  const Tensor odd = tensor("m.weight", Dtype::u32, {4, 14});  // 7 bits
  refused(make(odd, &scales, &biases), ErrorKind::corrupt, "[4, 14]");
  const Tensor flat = tensor("m.weight", Dtype::u32, {32});
  refused(make(flat, &scales, &biases), ErrorKind::corrupt, "[32]");
}

TEST(DecodeRow, ReadsCodesAcrossBytes) {
  // Five codes of 6 bits begin a row of 32: 1, 2, 3, 63, 5.
  std::vector<std::uint8_t> packed(24);
  const int codes[] = {1, 2, 3, 63, 5};
  for (int i = 0; i < 5; ++i) {
    for (int b = 0; b < 6; ++b) {
      if ((codes[i] >> b & 1) != 0)
        packed[(i * 6 + b) / 8] |= static_cast<std::uint8_t>(1 << (i * 6 + b) % 8);
    }
  }
  graph::Weight weight;
  weight.weight = tensor("m.weight", Dtype::u32, {1, 6});
  weight.weight.data = reinterpret_cast<const std::byte*>(packed.data());
  weight.quantization = graph::Quantization{.mode = "affine", .bits = 6, .group_size = 32};
  const std::uint16_t scale = f32_to_bf16(0.5F);
  const std::uint16_t bias = f32_to_bf16(-4);
  weight.scales = tensor("m.scales", Dtype::bf16, {1, 1});
  weight.biases = tensor("m.biases", Dtype::bf16, {1, 1});
  weight.scales->data = reinterpret_cast<const std::byte*>(&scale);
  weight.biases->data = reinterpret_cast<const std::byte*>(&bias);
  std::vector<float> row(32);
  decode_row(weight, 0, row);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(row[static_cast<std::size_t>(i)], 0.5F * static_cast<float>(codes[i]) - 4);
  EXPECT_EQ(row[31], -4);
}

}  // namespace
}  // namespace pome::nn
