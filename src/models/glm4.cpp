// GLM-4-0414 and GLM-Z1: GLM's block with norms behind attention and MLP too. Follows transformers'
// models/glm4/modeling_glm4.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(config, {.head_dim = 128,
                                        .max_position_embeddings = 131072,
                                        .partial_rotary_factor = 0.5,
                                        .norm_eps = 1.5625e-7F}),
      .norms = {.behind_attention = "post_self_attn_layernorm", .behind_mlp = "post_mlp_layernorm"}};
  spec.c.rope.interleaved = true;
  spec.attention_bias = {.qkv = config.get<bool>("attention_bias", true)};
  return spec;
}

constexpr std::string_view model_types[] = {"glm4"};

}  // namespace

const Arch glm4_arch{
    .name = "glm4",
    .model_types = model_types,
    .summary = "GLM-4-0414, GLM-Z1",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
