// Gemma 2: Gemma's norms around attention and MLP alike (before and behind), every other layer in a sliding
// window, soft caps on attention's scores and on the logits. Follows transformers'
// models/gemma2/modeling_gemma2.py (mlx-lm ignores the window).
#include <cmath>

#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_attention_norm;
  Tensor pre_feedforward_norm;
  nn::GatedMlp mlp;
  Tensor post_feedforward_norm;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(
      config, {.head_dim = 256, .max_position_embeddings = 8192, .tie_word_embeddings = true});
  c.hidden_act = read_hidden_activation(config, graph::Activation::gelu_tanh);
  c.attention_scale = static_cast<float>(1 / std::sqrt(config.get<double>("query_pre_attn_scalar", 256)));
  return c;
}

// null: no cap.
float read_cap(Config& config, std::string_view key, float otherwise) {
  const bool null = config.json().contains(key) && config.find(key) == nullptr;
  return null ? 0 : config.get<float>(key, otherwise);
}

class Gemma2 final : public Decoder {
 public:
  Gemma2(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    const int window = config.positive("sliding_window", 4096);
    config.mark_read("sliding_window_size");
    const std::vector<bool> sliding =
        read_sliding_layers(config, c_.num_hidden_layers, [](int i) { return i % 2 == 0; });
    attention_soft_cap_ = read_cap(config, "attn_logit_softcapping", 50);
    final_soft_cap_ = read_cap(config, "final_logit_softcapping", 30);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.pre_feedforward_norm = weights.take(at + "pre_feedforward_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      layer.post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {c_.hidden_size});
      if (sliding[i]) plan_[i].window = window;
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value embed(Graph& g) const override {
    return g.scale(Decoder::embed(g), std::sqrt(static_cast<float>(c_.hidden_size)));
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, norm_of(g, x, layer.input_norm));
    graph::Attention spec = attention_of(i);
    spec.soft_cap = attention_soft_cap_;
    const Value a = g.attention(spec, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, norm_of(g, g.linear(*layer.attention.o, a), layer.post_attention_norm));
    const Value f = nn::gated_mlp(g, layer.mlp, norm_of(g, x, layer.pre_feedforward_norm));
    return g.add(x, norm_of(g, f, layer.post_feedforward_norm));
  }

  Value norm(Graph& g, Value x) const override { return norm_of(g, x, norm_); }

  Value head(Graph& g, Value x) const override {
    const Value logits = Decoder::head(g, x);
    return final_soft_cap_ > 0 ? g.soft_cap(logits, final_soft_cap_) : logits;
  }

  // Gemma stores its norms' weights less one.
  Value norm_of(Graph& g, Value x, const Tensor& weight) const {
    return g.rms_norm(x, {.eps = c_.norm_eps, .weight = &weight, .weight_offset = 1});
  }

  float attention_soft_cap_ = 0;
  float final_soft_cap_ = 0;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"gemma2"};

}  // namespace

const Arch gemma2_arch{
    .name = "gemma2",
    .model_types = model_types,
    .summary = "Gemma 2",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Gemma2>,
};

}  // namespace pome::models
