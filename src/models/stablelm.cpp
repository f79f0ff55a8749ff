// StableLM 2 and Zephyr: layer norms, a quarter of each head rotated, a gated MLP beside attention or behind
// it; the 12B normalizes every head of q and k with weights of its own. Follows transformers'
// models/stablelm/modeling_stablelm.py.
#include "models/decoder.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Layer {
  nn::LayerNorm input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;                      // [H, C], where the config has qk_layernorm
  Tensor k_norm;                      // [K, C]
  nn::LayerNorm post_attention_norm;  // not where the MLP stands beside
  nn::GatedMlp mlp;
};

// The norms of single heads as one.
Tensor take_heads(Weights& weights, const std::string& at, int heads, int head_dim) {
  std::vector<float> all;
  Tensor first;
  for (int i = 0; i < heads; ++i) {
    const Tensor one = weights.take(fmt::format("{}.norms.{}.weight", at, i), {head_dim});
    if (i == 0) first = one;
    const std::vector<float> values = nn::to_floats(one);
    all.insert(all.end(), values.begin(), values.end());
  }
  return nn::float_tensor(first, {heads, head_dim}, std::move(all));
}

class Stablelm final : public Decoder {
 public:
  Stablelm(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.max_position_embeddings = 4096,
                                             .partial_rotary_factor = 0.25,
                                             .norm_eps_key = "layer_norm_eps",
                                             .norm_eps = 1e-5F}),
                weights) {
    const bool bias = config.get<bool>("use_qkv_bias", false);
    qk_layernorm_ = config.get<bool>("qk_layernorm", false);
    parallel_ = config.get<bool>("use_parallel_residual", false);
    config.mark_read("rotary_scaling_factor");
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_layer_norm(weights, at + "input_layernorm", c_, true);
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = false});
      if (qk_layernorm_) {
        layer.q_norm = take_heads(weights, at + "self_attn.q_layernorm", c_.num_attention_heads, c_.head_dim);
        layer.k_norm = take_heads(weights, at + "self_attn.k_layernorm", c_.num_key_value_heads, c_.head_dim);
      }
      if (!parallel_) {
        layer.post_attention_norm = take_layer_norm(weights, at + "post_attention_layernorm", c_, true);
      }
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = take_layer_norm(weights, "model.norm", c_, true);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = nn::layer_norm(g, layer.input_norm, x);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    if (qk_layernorm_) {
      q = g.layer_norm(q, {.eps = c_.norm_eps, .weight = &layer.q_norm, .run = c_.head_dim});
      k = g.layer_norm(k, {.eps = c_.norm_eps, .weight = &layer.k_norm, .run = c_.head_dim});
    }
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(
        x, nn::gated_mlp(g, layer.mlp, parallel_ ? h : nn::layer_norm(g, layer.post_attention_norm, x)));
  }

  Value norm(Graph& g, Value x) const override { return nn::layer_norm(g, norm_, x); }

  bool qk_layernorm_ = false;
  bool parallel_ = false;
  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
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
