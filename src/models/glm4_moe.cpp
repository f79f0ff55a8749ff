// GLM-4.5 and later: partial rope, and behind the first layers experts chosen by corrected sigmoids among
// groups, beside one that all rows use. Follows transformers' models/glm4_moe/modeling_glm4_moe.py.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  std::optional<Tensor> q_norm;  // [C]
  std::optional<Tensor> k_norm;  // [C]
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

class Glm4Moe final : public Decoder {
 public:
  Glm4Moe(Config& config, Weights& weights)
      : Decoder(
            read_decoder_config(
                config, {.max_position_embeddings = 131072, .partial_rotary_factor = 0.5, .norm_eps = 1e-5F}),
            weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    const bool qk_norm = config.get<bool>("use_qk_norm", false);
    const SharedMixture mixture = read_shared_mixture(config, c_.hidden_size);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = false});
      if (qk_norm) {
        layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
        layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
      }
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      if (mixture.in_layer(i)) {
        layer.mlp.mixture = take_shared_mixture(weights, at + "mlp", mixture, c_.hidden_act);
      } else {
        layer.mlp.dense = take_gated_mlp(weights, at + "mlp", c_, false);
      }
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
    drop_next_token_layers(config, weights, c_.num_hidden_layers);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    if (layer.q_norm) q = g.rms_norm(q, *layer.q_norm, c_.norm_eps);
    if (layer.k_norm) k = g.rms_norm(k, *layer.k_norm, c_.norm_eps);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::feed_forward(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"glm4_moe"};

}  // namespace

const Arch glm4_moe_arch{
    .name = "glm4_moe",
    .model_types = model_types,
    .summary = "GLM-4.5 to 4.7",
    .caches = {.full = true},
    .renames = {},
    .build = build<Glm4Moe>,
};

}  // namespace pome::models
