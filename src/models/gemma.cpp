// Gemma 1: Llama's block with wide heads, norms whose weights are stored less one, and embeddings times the
// root of their width. The gate is always the tanh form of GELU, whatever `hidden_act` says, as in
// transformers' models/gemma/modeling_gemma.py (mlx-lm computes the exact form).
#include <cmath>

#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_attention_norm;
  nn::GatedMlp mlp;
};

// Gemma stores its norms' weights less one.
Value norm_of(Graph& g, Value x, const Tensor& weight, float eps) {
  return g.rms_norm(x, {.eps = eps, .weight = &weight, .weight_offset = 1});
}

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(
      config, {.head_dim = 256, .max_position_embeddings = 8192, .tie_word_embeddings = true});
  config.mark_read("hidden_activation");
  c.hidden_act = graph::Activation::gelu_tanh;
  return c;
}

class Gemma final : public Decoder {
 public:
  Gemma(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value embed(Graph& g) const override {
    return g.scale(Decoder::embed(g), std::sqrt(static_cast<float>(c_.hidden_size)));
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, norm_of(g, x, layer.input_norm, c_.norm_eps));
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::gated_mlp(g, layer.mlp, norm_of(g, x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return norm_of(g, x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"gemma"};

}  // namespace

const Arch gemma_arch{
    .name = "gemma",
    .model_types = model_types,
    .summary = "Gemma 1, CodeGemma",
    .caches = {.full = true},
    .renames = {},
    .build = build<Gemma>,
};

}  // namespace pome::models
