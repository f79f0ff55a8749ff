// Qwen1.5 and 2 with mixtures of experts: Qwen2's block, and in most layers experts in the MLP's place,
// beside a gated one that all rows use. Follows transformers' models/qwen2_moe/modeling_qwen2_moe.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

// Where the config does not list them, every other one of the first max_window_layers slides.
std::vector<int> read_windows(Config& config, int num_hidden_layers) {
  const bool used = config.get<bool>("use_sliding_window", false);
  const int most = config.get<int>("max_window_layers", 28);
  config.mark_read("sliding_window");  // 0 where it is not used
  const int window = used ? config.positive_or_none("sliding_window") : 0;
  return read_sliding_windows(config, num_hidden_layers, window,
                              [&](int layer) { return (layer + 1) % 2 != 0 && layer < most; });
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config),
                       .attention_bias = {.qkv = config.get<bool>("qkv_bias", true)}};
  const DecoderConfig& c = spec.c;
  spec.windows = read_windows(config, c.num_hidden_layers);
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_experts", "num_local_experts"),
                                .chosen = config.positive("num_experts_per_tok", 4),
                                .width = c.hidden_size,
                                .inner = config.positive("moe_intermediate_size", 1408)},
                      .routing = {.normalize = config.get<bool>("norm_topk_prob", false)},
                      .shared = "shared_expert",
                      .shared_inner = config.positive("shared_expert_intermediate_size", 5632),
                      .shared_gate = true,
                      .layers = read_sparse_layers(config, c.num_hidden_layers)};
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, c);
  return spec;
}

constexpr std::string_view model_types[] = {"qwen2_moe"};

}  // namespace

const Arch qwen2_moe_arch{
    .name = "qwen2_moe",
    .model_types = model_types,
    .summary = "Qwen1.5 and Qwen2 with mixtures of experts",
    .caches = {.full = true, .sliding = true},
    .renames = mlp_experts,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
