// ERNIE 4.5 with mixtures of experts: ERNIE's block, and in a range of layers experts chosen by a corrected
// softmax, beside one that all rows use. Follows transformers' models/ernie4_5_moe; files for mlx-lm lack the
// correction, which it drops, and are run without it.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

// A range of layers, every so many.
std::vector<bool> read_mixture_layers(Config& config, int num_hidden_layers) {
  const int first = config.get<int>("moe_layer_start_index", 1);
  const int last = config.get<int>("moe_layer_end_index", -1);
  const int every = config.positive("moe_layer_interval", 1);
  std::vector<bool> layers;
  for (int i = 0; i < num_hidden_layers; ++i) {
    layers.push_back(i >= first && (last < 0 || i <= last) && (i + 1) % every == 0);
  }
  return layers;
}

TransformerSpec describe(Config& config) {
  const bool bias = config.get<bool>("use_bias", false);
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 131072,
                                                         .rope_theta = 500000,
                                                         .norm_eps = 1e-5F,
                                                         .tie_word_embeddings = true}),
                       .names = {.head_bias = bias},
                       .attention_bias = {.qkv = bias, .o = bias},
                       .mlp_bias = bias};
  const DecoderConfig& c = spec.c;
  spec.c.rope.interleaved = true;
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "moe_num_experts", "num_experts"),
                                .chosen = config.positive("moe_k", 6),
                                .width = c.hidden_size,
                                .inner = config.positive("moe_intermediate_size", 1536)},
                      .routing = {.normalize = true},
                      .shared = "shared_experts",
                      .layers = read_mixture_layers(config, c.num_hidden_layers)};
  mixture.shared_inner = read_shared_experts(config, "moe_num_shared_experts", 2) * mixture.sizes.inner;
  config.mark_all_read({"moe_norm_min", "moe_capacity", "moe_gate", "moe_gate_act", "moe_use_aux_free",
                        "compression_ratio", "use_rmsnorm", "weight_share_add_bias", "fuse_rope",
                        "num_nextn_predict_layers"});
  mark_router_losses(config);
  spec.feed_forward = [take = feed_forward(mixture, c, bias), experts = mixture.sizes.experts](
                          Weights& weights, const std::string& at, std::size_t layer) {
    nn::FeedForward taken = take(weights, at, layer);
    const std::string correction = at + "mlp.moe_statics.e_score_correction_bias";
    if (weights.contains(correction)) taken.mixture->correction = weights.take(correction, {1, experts});
    return taken;
  };
  return spec;
}

constexpr std::string_view model_types[] = {"ernie4_5_moe"};

constexpr auto renames = formats::joined(
    std::array{
        formats::Rename{.kind = formats::Rename::Kind::drop,
                        .pattern = "model.mtp_*"},  // heads for further tokens
        formats::Rename{.kind = formats::Rename::Kind::replace,
                        .pattern = ".mlp.gate.moe_statics.",
                        .to = ".mlp.moe_statics."},
    },
    mlp_experts);

}  // namespace

const Arch ernie4_5_moe_arch{
    .name = "ernie4_5_moe",
    .model_types = model_types,
    .summary = "ERNIE 4.5 with mixtures of experts",
    .caches = {.full = true},
    .renames = renames,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
