// Phi-3.5-MoE: layer norms, biased attention, and two experts chosen one after the other by the sparse mixer.
// Follows transformers' models/phimoe/modeling_phimoe.py, except that long sequences get longrope's long
// factors, as Phi 3's do and the model was trained with.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 131072,
                                                         .original_max_position_embeddings = 4096,
                                                         .rope_theta = 1e6,
                                                         .norm_eps = 1e-5F}),
                       .names = {.head_bias = config.get<bool>("lm_head_bias", false)},
                       .attention_bias = read_attention_bias(config),
                       .norm = biased_layer_norm};
  spec.window_all_layers(config.positive_or_none("sliding_window"));
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                                .chosen = 2,
                                .width = spec.c.hidden_size,
                                .inner = spec.c.intermediate_size},
                      .routing = {.scores = graph::Routing::Scores::sparse_mixer,
                                  .jitter = config.get<float>("router_jitter_noise", 0.01F)},
                      .module = "block_sparse_moe"};
  config.mark_read("num_experts_per_tok");  // the sparse mixer chooses two, whatever it says
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, spec.c);
  return spec;
}

constexpr std::string_view model_types[] = {"phimoe"};

constexpr auto renames = formats::joined(
    std::array{formats::Rename{
        .kind = formats::Rename::Kind::replace, .pattern = ".mlp.router.", .to = ".block_sparse_moe.gate."}},
    sparse_moe_experts);

}  // namespace

const Arch phimoe_arch{
    .name = "phimoe",
    .model_types = model_types,
    .summary = "Phi-3.5-MoE",
    .caches = {.full = true},
    .renames = renames,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
