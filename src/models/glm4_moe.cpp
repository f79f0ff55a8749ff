// GLM-4.5 and later: partial rope, and behind the first layers experts chosen by corrected sigmoids among
// groups, beside one that all rows use. Follows transformers' models/glm4_moe/modeling_glm4_moe.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config, {.max_position_embeddings = 131072, .partial_rotary_factor = 0.5, .norm_eps = 1e-5F}),
      .attention_bias = {.qkv = config.get<bool>("attention_bias", false)}};
  if (config.get<bool>("use_qk_norm", false)) spec.qk_norm.kind = QkNorm::Kind::shared;
  spec.feed_forward = feed_forward(read_grouped_mixture(config, spec.c), spec.c);
  return spec;
}

class Glm4Moe final : public Transformer {
 public:
  Glm4Moe(Config& config, Weights& weights) : Transformer(describe(config), weights) {
    drop_next_token_layers(config, weights, c_.num_hidden_layers);
  }
};

constexpr std::string_view model_types[] = {"glm4_moe"};

}  // namespace

const Arch glm4_moe_arch{
    .name = "glm4_moe",
    .model_types = model_types,
    .summary = "GLM-4.5 to 4.7",
    .caches = {.full = true},
    .renames = mlp_experts,
    .build = build<Glm4Moe>,
};

}  // namespace pome::models
