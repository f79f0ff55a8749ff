#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "pome/error.h"

namespace pome::nn {
namespace {

graph::Rope make(const RopeSettings& settings, int head_dim, int max_position_embeddings) {
  return make_rope(settings, head_dim, max_position_embeddings, "config.json");
}

RopeSettings parse(const char* text) { return parse_rope(parse_json(text, "test"), {}, "config.json"); }

std::string refusal(const char* text, ErrorKind kind) {
  try {
    parse(text);
  } catch (const Error& e) {
    EXPECT_EQ(error_row(e.kind()).name, error_row(kind).name) << e.what();
    return e.what();
  }
  ADD_FAILURE() << text << " was taken";
  return {};
}

TEST(Rope, BothFormsSayTheSame) {
  const RopeSettings old_form =
      parse(R"({"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8,
    "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}})");
  const RopeSettings new_form =
      parse(R"({"rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8,
    "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}})");
  EXPECT_EQ(old_form.theta, 5e5);
  EXPECT_EQ(make(old_form, 64, 131072).inv_freq, make(new_form, 64, 131072).inv_freq);
  EXPECT_EQ(parse(R"({"rope_scaling": {"type": "linear", "factor": 2}})").type, "linear");
  EXPECT_EQ(parse(R"({"rope_scaling": {"type": "su", "rope_type": "linear", "factor": 2}})").type, "linear");
  EXPECT_EQ(parse(R"({"rope_scaling": null})").type, "default");
  EXPECT_EQ(parse("{}").theta, 10000);
}

TEST(Rope, SettingsMayBePartialAndNestedByLayerType) {
  EXPECT_EQ(parse(R"({"partial_rotary_factor": 0.5})").partial_rotary_factor, 0.5);
  EXPECT_EQ(parse(R"({"rope_parameters": {"partial_rotary_factor": 0.25}})").partial_rotary_factor, 0.25);
  const Json nested = parse_json(R"({"rope_parameters": {
    "full_attention": {"rope_type": "linear", "factor": 8, "rope_theta": 1e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}})",
                                 "test");
  EXPECT_TRUE(has_ropes_by_layer_type(nested));
  EXPECT_FALSE(has_ropes_by_layer_type(parse_json(R"({"rope_parameters": {"factor": 8}})", "test")));
  EXPECT_EQ(parse_rope(nested, {}, "config.json", "full_attention").theta, 1e6);
  EXPECT_EQ(parse_rope(nested, {}, "config.json", "full_attention").type, "linear");
  EXPECT_EQ(parse_rope(nested, {}, "config.json", "sliding_attention").theta, 1e4);
  EXPECT_THROW(parse_rope(nested, {}, "config.json"), Error) << "a family that has one rope";
}

TEST(Rope, FrequenciesOfEveryType) {
  const RopeSettings plain = parse("{}");
  const auto base = make(plain, 8, 100).inv_freq;
  ASSERT_EQ(base.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(base[i], std::pow(10000.0, -2.0 * static_cast<double>(i) / 8), 1e-6 * base[i]);

  const auto linear = make(parse(R"({"rope_scaling": {"type": "linear", "factor": 4}})"), 8, 100);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(linear.inv_freq[i], base[i] / 4);

  const auto dynamic = make(parse(R"({"rope_scaling": {"type": "dynamic", "factor": 4}})"), 8, 100);
  ASSERT_TRUE(dynamic.inv_freq_for);
  EXPECT_EQ(dynamic.inv_freq_for(10), base);
  EXPECT_EQ(dynamic.inv_freq_for(100), base);
  const double theta = 10000 * std::pow(4 * 200.0 / 100 - 3, 8.0 / 6);
  const auto longer = dynamic.inv_freq_for(200);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(longer[i], std::pow(theta, -2.0 * static_cast<double>(i) / 8), 1e-5 * longer[i]);

  const auto llama3 = make(parse(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8,
    "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 100}})"),
                           8, 1000);
  EXPECT_EQ(llama3.inv_freq[0], base[0]) << "a wave of 6 positions is short";
  const double smooth = (100 / (2 * std::numbers::pi / 0.1) - 1) / 3;
  EXPECT_NEAR(llama3.inv_freq[1], (1 - smooth) * 0.1 / 8 + smooth * 0.1, 1e-7) << "one of 63 lies between";
  EXPECT_FLOAT_EQ(llama3.inv_freq[2], base[2] / 8) << "one of 628 is long";
}

TEST(Rope, YarnKeepsQuickPairsAndSharpensAttention) {
  const auto yarn = make(parse(R"({"rope_scaling": {"rope_type": "yarn", "factor": 4,
    "original_max_position_embeddings": 64, "beta_fast": 4, "beta_slow": 1}})"),
                         16, 256);
  const auto base = make(parse("{}"), 16, 256).inv_freq;
  EXPECT_FLOAT_EQ(yarn.inv_freq[0], base[0]);
  EXPECT_FLOAT_EQ(yarn.inv_freq[7], base[7] / 4);
  EXPECT_FLOAT_EQ(yarn.attention_factor, static_cast<float>(0.1 * std::log(4) + 1));
  const auto own = make(parse(R"({"rope_scaling": {"rope_type": "yarn", "factor": 4, "mscale": 1,
    "mscale_all_dim": 0.5, "original_max_position_embeddings": 64}})"),
                        16, 256);
  EXPECT_FLOAT_EQ(own.attention_factor,
                  static_cast<float>((0.1 * std::log(4) + 1) / (0.05 * std::log(4) + 1)));
  const auto told =
      make(parse(R"({"rope_scaling": {"rope_type": "yarn", "factor": 4, "attention_factor": 1.25,
    "original_max_position_embeddings": 64}})"),
           16, 256);
  EXPECT_FLOAT_EQ(told.attention_factor, 1.25F);
}

TEST(Rope, LongropeSwitchesBehindTheOriginalContext) {
  const RopeSettings settings =
      parse(R"({"original_max_position_embeddings": 64, "rope_scaling": {"type": "su",
    "short_factor": [1, 2], "long_factor": [3, 4]}})");
  EXPECT_EQ(settings.type, "longrope");
  const auto rope = make(settings, 4, 256);
  const auto base = make(parse("{}"), 4, 256).inv_freq;
  EXPECT_FLOAT_EQ(rope.inv_freq_for(64)[1], base[1] / 2);
  EXPECT_FLOAT_EQ(rope.inv_freq_for(65)[1], base[1] / 4);
  EXPECT_FLOAT_EQ(rope.attention_factor, static_cast<float>(std::sqrt(1 + std::log(4) / std::log(64))));
  EXPECT_THROW(make(settings, 8, 256), Error) << "four pairs, two factors";
}

TEST(Rope, ProportionalLetsTheRestStandStill) {
  const auto rope =
      make(parse(R"({"rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 0.5,
    "factor": 2}})"),
           8, 256);
  EXPECT_EQ(rope.dims, 8);
  const auto base = make(parse("{}"), 8, 256).inv_freq;
  EXPECT_FLOAT_EQ(rope.inv_freq[1], base[1] / 2);
  EXPECT_EQ(rope.inv_freq[2], 0);
}

TEST(Rope, WhatIsNotImplementedIsRefusedByName) {
  const std::string type = refusal(R"({"rope_scaling": {"rope_type": "spiral"}})", ErrorKind::unsupported);
  EXPECT_NE(type.find("config.json: rope_scaling.rope_type \"spiral\""), std::string::npos) << type;
  EXPECT_NE(type.find("nothing was loaded"), std::string::npos) << type;
  const std::string key = refusal(R"({"rope_parameters": {"rope_type": "linear", "factor": 2, "lean": 0.7}})",
                                  ErrorKind::unsupported);
  EXPECT_NE(key.find("rope_parameters.lean is 0.7"), std::string::npos) << key;
  refusal(R"({"rope_scaling": {"type": "yarn", "factor": 0}})", ErrorKind::corrupt);
  refusal(R"({"rope_scaling": {"type": "longrope", "short_factor": [0]}})", ErrorKind::corrupt);
  refusal(R"({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 1.5}})",
          ErrorKind::corrupt);
  refusal(R"({"partial_rotary_factor": 0})", ErrorKind::corrupt);
  refusal(R"({"rope_scaling": {"type": "linear", "factor": 0}})", ErrorKind::corrupt);
  refusal(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})", ErrorKind::corrupt);
  refusal(R"({"rope_scaling": 3})", ErrorKind::corrupt);
  refusal(R"({"rope_theta": 0})", ErrorKind::corrupt);
  refusal(R"({"rope_theta": "big"})", ErrorKind::corrupt);
}

}  // namespace
}  // namespace pome::nn
