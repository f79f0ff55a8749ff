// Command R: attention and MLP side by side behind one layer norm without bias, neighbours of a head paired
// for rotation, logits times a constant; R+ normalizes every head of q and k with weights of its own. Follows
// transformers' models/cohere/modeling_cohere.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::LayerNorm input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [H, C], where the config has use_qk_norm
  Tensor k_norm;  // [K, C]
  nn::GatedMlp mlp;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.max_position_embeddings = 8192,
                                                 .rope_theta = 500000,
                                                 .norm_eps_key = "layer_norm_eps",
                                                 .norm_eps = 1e-5F,
                                                 .tie_word_embeddings = true});
  c.rope.interleaved = true;
  return c;
}

class Cohere final : public Decoder {
 public:
  Cohere(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    use_qk_norm_ = config.get<bool>("use_qk_norm", false);
    logit_scale_ = config.get<float>("logit_scale", 0.0625F);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_layer_norm(weights, at + "input_layernorm", c_, false);
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      if (use_qk_norm_) {
        layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.num_attention_heads, c_.head_dim});
        layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.num_key_value_heads, c_.head_dim});
      }
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = take_layer_norm(weights, "model.norm", c_, false);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = nn::layer_norm(g, layer.input_norm, x);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    if (use_qk_norm_) {
      q = g.layer_norm(q, {.eps = c_.norm_eps, .weight = &layer.q_norm, .run = c_.head_dim});
      k = g.layer_norm(k, {.eps = c_.norm_eps, .weight = &layer.k_norm, .run = c_.head_dim});
    }
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    return g.add(g.add(x, g.linear(*layer.attention.o, a)), nn::gated_mlp(g, layer.mlp, h));
  }

  Value norm(Graph& g, Value x) const override { return nn::layer_norm(g, norm_, x); }

  Value head(Graph& g, Value x) const override { return g.scale(Decoder::head(g, x), logit_scale_); }

  bool use_qk_norm_ = false;
  float logit_scale_;
  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
};

constexpr std::string_view model_types[] = {"cohere"};

}  // namespace

const Arch cohere_arch{
    .name = "cohere",
    .model_types = model_types,
    .summary = "Command R, R+, Aya",
    .caches = {.full = true},
    .renames = {},
    .build = build<Cohere>,
};

}  // namespace pome::models
