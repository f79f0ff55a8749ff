// Qwen3 with mixtures of experts: Qwen3's block, and in most layers experts in the MLP's place. Follows
// transformers' models/qwen3_moe/modeling_qwen3_moe.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

// One window for all layers, where it is used at all.
int read_window_of_all(Config& config) {
  const bool used = config.get<bool>("use_sliding_window", false);
  config.mark_read("max_window_layers");
  const int window = config.positive_or_none("sliding_window");
  return used ? window : 0;
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config),
                       .attention_bias = read_attention_bias(config),
                       .qk_norm = {.kind = QkNorm::Kind::shared}};
  const DecoderConfig& c = spec.c;
  spec.window_all_layers(read_window_of_all(config));
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_experts", "num_local_experts"),
                                .chosen = config.positive("num_experts_per_tok", 8),
                                .width = c.hidden_size,
                                .inner = config.positive("moe_intermediate_size", 768)},
                      .routing = {.normalize = config.get<bool>("norm_topk_prob", false)},
                      .layers = read_sparse_layers(config, c.num_hidden_layers)};
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, c);
  return spec;
}

constexpr std::string_view model_types[] = {"qwen3_moe"};

}  // namespace

const Arch qwen3_moe_arch{
    .name = "qwen3_moe",
    .model_types = model_types,
    .summary = "Qwen3 with mixtures of experts",
    .caches = {.full = true},
    .renames = mlp_experts,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
