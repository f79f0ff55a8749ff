// GLM-4-0414 and GLM-Z1: GLM's block with norms behind attention and MLP too. Follows transformers'
// models/glm4/modeling_glm4.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_self_attn_norm;
  Tensor post_attention_norm;  // before the MLP
  nn::GatedMlp mlp;
  Tensor post_mlp_norm;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.head_dim = 128,
                                                 .max_position_embeddings = 131072,
                                                 .partial_rotary_factor = 0.5,
                                                 .norm_eps = 1.5625e-7F});
  c.rope.interleaved = true;
  return c;
}

class Glm4 final : public Decoder {
 public:
  Glm4(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", true);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = false});
      layer.post_self_attn_norm = weights.take(at + "post_self_attn_layernorm.weight", {c_.hidden_size});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      layer.post_mlp_norm = weights.take(at + "post_mlp_layernorm.weight", {c_.hidden_size});
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = g.linear(*layer.attention.o, attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v));
    x = g.add(x, g.rms_norm(a, layer.post_self_attn_norm, c_.norm_eps));
    const Value f = nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps));
    return g.add(x, g.rms_norm(f, layer.post_mlp_norm, c_.norm_eps));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"glm4"};

}  // namespace

const Arch glm4_arch{
    .name = "glm4",
    .model_types = model_types,
    .summary = "GLM-4-0414, GLM-Z1",
    .caches = {.full = true},
    .renames = {},
    .build = build<Glm4>,
};

}  // namespace pome::models
