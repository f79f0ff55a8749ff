// GLM-4 9B and GLM-Edge: Llama's block with the first half of each head rotated, neighbours paired. Follows
// transformers' models/glm/modeling_glm.py (mlx-lm rotates whole heads).
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.head_dim = 128,
                                                         .max_position_embeddings = 131072,
                                                         .partial_rotary_factor = 0.5,
                                                         .norm_eps = 1.5625e-7F})};
  spec.c.rope.interleaved = true;
  spec.attention_bias = {.qkv = config.get<bool>("attention_bias", true)};
  return spec;
}

constexpr std::string_view model_types[] = {"glm"};

}  // namespace

const Arch glm_arch{
    .name = "glm",
    .model_types = model_types,
    .summary = "GLM-4 9B, GLM-Edge",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
