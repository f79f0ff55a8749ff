// Granite 3, dense and with mixtures of experts in the MLP's place: Llama's block with constants on
// embeddings, attention, residuals and logits. Follows transformers' models/granite/modeling_granite.py and
// models/granitemoe/modeling_granitemoe.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe_both(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config),
                       .attention_bias = read_attention_bias(config),
                       .residual_scale = config.get<float>("residual_multiplier", 1)};
  spec.c.attention_scale = config.get<float>("attention_multiplier", 1);
  spec.c.embedding_scale = config.get<float>("embedding_multiplier", 1);
  spec.c.logits_scale = 1 / config.get<float>("logits_scaling", 1);
  return spec;
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec = describe_both(config);
  spec.mlp_bias = config.get<bool>("mlp_bias", false);
  return spec;
}

TransformerSpec describe_mixture(Config& config) {
  TransformerSpec spec = describe_both(config);
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                                .chosen = config.positive("num_experts_per_tok", 2),
                                .width = spec.c.hidden_size,
                                .inner = spec.c.intermediate_size},
                      .routing = {.scores = graph::Routing::Scores::softmax_of_chosen},
                      .module = "block_sparse_moe",
                      .router = "router.layer"};
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, spec.c);
  return spec;
}

constexpr std::string_view dense_types[] = {"granite"};
constexpr std::string_view mixture_types[] = {"granitemoe"};

}  // namespace

const Arch granite_arch{
    .name = "granite",
    .model_types = dense_types,
    .summary = "Granite 3, dense",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

const Arch granitemoe_arch{
    .name = "granitemoe",
    .model_types = mixture_types,
    .summary = "Granite 3 with mixtures of experts",
    .caches = {.full = true},
    .renames = granite_experts,
    .build = build_transformer<describe_mixture>,
};

}  // namespace pome::models
