// Mixtral: Mistral's block with experts in the MLP's place. Follows transformers'
// models/mixtral/modeling_mixtral.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(config,
                               {.max_position_embeddings = 131072, .rope_theta = 1e6, .norm_eps = 1e-5F})};
  spec.window_all_layers(config.positive_or_none("sliding_window"));
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                                .chosen = config.positive("num_experts_per_tok", 2),
                                .width = spec.c.hidden_size,
                                .inner = spec.c.intermediate_size},
                      .routing = {.normalize = true},
                      .module = "block_sparse_moe"};
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, spec.c);
  return spec;
}

constexpr std::string_view model_types[] = {"mixtral"};

}  // namespace

const Arch mixtral_arch{
    .name = "mixtral",
    .model_types = model_types,
    .summary = "Mixtral 8x7B and 8x22B",
    .caches = {.full = true, .sliding = true},
    .renames = sparse_moe_experts,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
