// StableLM 2 and Zephyr: layer norms, a quarter of each head rotated, a gated MLP beside attention or behind
// it; the 12B normalizes every head of q and k with weights of its own. Follows transformers'
// models/stablelm/modeling_stablelm.py.
#include "models/registry.h"
#include "models/transformer.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 4096,
                                                         .partial_rotary_factor = 0.25,
                                                         .norm_eps_key = "layer_norm_eps",
                                                         .norm_eps = 1e-5F}),
                       .attention_bias = {.qkv = config.get<bool>("use_qkv_bias", false)},
                       .norm = biased_layer_norm,
                       .parallel = config.get<bool>("use_parallel_residual", false)};
  if (spec.parallel) spec.norms.before_mlp = {};
  config.mark_read("rotary_scaling_factor");
  return spec;
}

// The norms of single heads as one.
nn::Norm take_heads(Weights& weights, const std::string& at, int heads, const DecoderConfig& c) {
  std::vector<float> all;
  Tensor first;
  for (int i = 0; i < heads; ++i) {
    const Tensor one = weights.take(fmt::format("{}.norms.{}.weight", at, i), {c.head_dim});
    if (i == 0) first = one;
    const std::vector<float> values = nn::to_floats(one);
    all.insert(all.end(), values.begin(), values.end());
  }
  return {.weight = nn::float_tensor(first, {heads, c.head_dim}, std::move(all)),
          .eps = c.norm_eps,
          .kind = nn::Norm::Kind::layer,
          .run = c.head_dim};
}

class Stablelm final : public Transformer {
 public:
  Stablelm(Config& config, Weights& weights) : Transformer(describe(config), weights) {
    if (!config.get<bool>("qk_layernorm", false)) return;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const std::string at = layer_path(i) + "self_attn.";
      layers_[i].q_norm = take_heads(weights, at + "q_layernorm", c_.num_attention_heads, c_);
      layers_[i].k_norm = take_heads(weights, at + "k_layernorm", c_.num_key_value_heads, c_);
    }
  }
};

constexpr std::string_view model_types[] = {"stablelm"};

}  // namespace

const Arch stablelm_arch{
    .name = "stablelm",
    .model_types = model_types,
    .summary = "StableLM 2, StableLM Zephyr",
    .caches = {.full = true},
    .renames = {},
    .build = build<Stablelm>,
};

}  // namespace pome::models
