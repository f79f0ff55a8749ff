#include "services/weight_facts.h"

#include <gtest/gtest.h>

namespace pome::services {
namespace {

struct Row {
  const char* name;
  Dtype dtype;
  std::vector<std::int64_t> shape;
};

WeightFacts count(const std::vector<Row>& rows, std::string_view config = "{}", const std::string& other = "",
                  int bits = 0) {
  formats::TensorTable table;
  for (const Row& row : rows) {
    formats::Tensor tensor;
    tensor.name = row.name;
    tensor.dtype = row.dtype;
    tensor.shape = row.shape;
    tensor.size_bytes = formats::tensor_size_bytes(row.dtype, row.shape).value();
    table.add(tensor);
  }
  WeightFacts facts;
  count_weights(table, parse_json(config, "config.json"), other, bits, {}, "", facts);
  return facts;
}

TEST(WeightFacts, KnowsLayersByPublishedNames) {
  for (const auto& [name, kind] : std::initializer_list<std::pair<const char*, const char*>>{
           {"model.embed_tokens.weight", "embeddings"},
           {"transformer.wte.weight", "embeddings"},
           {"token_embd.weight", "embeddings"},
           {"lm_head.weight", "head"},
           {"output.weight", "head"},
           {"output_norm.weight", "norms"},
           {"model.layers.0.self_attn.q_proj.weight", "attention"},
           {"model.layers.0.self_attn.q_norm.weight", "norms"},
           {"model.layers.0.self_attn.o_proj.weight", "attention"},
           {"model.layers.0.post_attention_layernorm.weight", "norms"},
           {"blk.3.attn_output.weight", "attention"},
           {"blk.3.ffn_down_exps.weight", "experts"},
           {"blk.3.ffn_gate_inp.weight", "router"},
           {"model.layers.1.mlp.gate_proj.weight", "mlp"},
           {"model.layers.1.mlp.gate.weight", "router"},
           {"model.layers.1.mlp.switch_mlp.up_proj.weight", "experts"},
           {"model.layers.1.mlp.shared_experts.up_proj.weight", "mlp"},
           {"model.layers.1.linear_attn.in_proj_qkvz.weight", "recurrence"},
           {"backbone.layers.1.mixer.in_proj.weight", "recurrence"},
           {"vision_tower.blocks.0.attn.qkv.weight", "vision"},
           {"something.else", "other"},
       }) {
    EXPECT_EQ(layer_kind(name), kind) << name;
  }
}

TEST(WeightFacts, MlxWordsCountAsWhatTheyHold) {
  const WeightFacts facts = count({{"a.mlp.up.weight", Dtype::u32, {8, 16}},
                                   {"a.mlp.up.scales", Dtype::bf16, {8, 2}},
                                   {"a.mlp.up.biases", Dtype::bf16, {8, 2}},
                                   {"norm.weight", Dtype::bf16, {128}}},
                                  R"({"quantization":{"bits":4,"group_size":64}})");
  EXPECT_EQ(facts.parameters, 8u * 128 + 128);
  EXPECT_EQ(facts.quantization, "affine 4 bit, groups of 64");
  EXPECT_EQ(facts.dtype, "BF16");
  ASSERT_EQ(facts.layers.size(), 2u);
  EXPECT_EQ(facts.layers[0].kind, "mlp");
  EXPECT_DOUBLE_EQ(facts.layers[0].bits(), 4.5);
  EXPECT_DOUBLE_EQ(facts.layers[1].bits(), 16);
}

TEST(WeightFacts, OtherMethodsPackInTheirWays) {
  const WeightFacts gptq =
      count({{"l.mlp.up.qweight", Dtype::i32, {16, 8}},
             {"l.mlp.up.qzeros", Dtype::i32, {1, 1}},
             {"l.mlp.up.scales", Dtype::f16, {1, 8}},
             {"l.mlp.up.g_idx", Dtype::i32, {128}}},
            R"({"quantization_config":{"quant_method":"gptq","bits":4}})", "gptq 4bit", 4);
  EXPECT_EQ(gptq.parameters, 128u * 8);
  EXPECT_EQ(gptq.quantization, "gptq 4bit");
  EXPECT_EQ(gptq.bytes, 16u * 8 * 4 + 4 + 16 + 512);

  const WeightFacts fp8 = count(
      {{"l.mlp.up.weight", Dtype::f8_e4m3, {128, 128}}, {"l.mlp.up.weight_scale_inv", Dtype::f32, {1, 1}}},
      R"({"quantization_config":{"quant_method":"fp8"}})", "fp8 8bit", 8);
  EXPECT_EQ(fp8.parameters, 128u * 128);
  EXPECT_EQ(fp8.quantization, "fp8 8bit");

  const WeightFacts blocks = count({{"l.mlp.experts.gate_up_proj_blocks", Dtype::u8, {2, 32, 4, 16}},
                                    {"l.mlp.experts.gate_up_proj_scales", Dtype::u8, {2, 32, 4}},
                                    {"l.mlp.experts.gate_up_proj_bias", Dtype::bf16, {2, 32}}},
                                   R"({"quantization_config":{"quant_method":"mxfp4"}})", "mxfp4", 4);
  EXPECT_EQ(blocks.parameters, 2u * 32 * 4 * 32 + 64);

  const WeightFacts ternary =
      count({{"l.mlp.up.weight", Dtype::u8, {32, 128}}, {"l.mlp.up.weight_scale", Dtype::bf16, {1}}},
            R"({"quantization_config":{"quant_method":"bitnet"}})", "bitnet 2bit", 2);
  EXPECT_EQ(ternary.parameters, 128u * 128);
}

}  // namespace
}  // namespace pome::services
