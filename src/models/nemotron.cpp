// Nemotron 4 and Minitron: layer norms whose weights are stored less one, a plain MLP with squared ReLU, half
// of each head rotated. Follows transformers' models/nemotron/modeling_nemotron.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::LayerNorm input_norm;
  nn::AttentionProjections attention;
  nn::LayerNorm post_attention_norm;
  nn::PlainMlp mlp;
};

class Nemotron final : public Decoder {
 public:
  Nemotron(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.max_position_embeddings = 4096,
                                             .partial_rotary_factor = 0.5,
                                             .norm_eps_key = "norm_eps",
                                             .norm_eps = 1e-5F,
                                             .hidden_act = graph::Activation::relu_squared}),
                weights) {
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const bool mlp_bias = config.get<bool>("mlp_bias", false);
    for (const char* key : {"rope_percent", "rotary_percent"}) config.mark_read(key);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_layer_norm(weights, at + "input_layernorm", c_, true);
      layer.attention =
          take_attention(weights, at + "self_attn", c_, {.qkv = attention_bias, .o = attention_bias});
      layer.post_attention_norm = take_layer_norm(weights, at + "post_attention_layernorm", c_, true);
      layer.mlp = {
          .up = weights.linear(at + "mlp.up_proj", c_.intermediate_size, c_.hidden_size, mlp_bias),
          .down = weights.linear(at + "mlp.down_proj", c_.hidden_size, c_.intermediate_size, mlp_bias),
          .activation = c_.hidden_act};
    }
    norm_ = take_layer_norm(weights, "model.norm", c_, true);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, norm_of(g, x, layer.input_norm));
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::plain_mlp(g, layer.mlp, norm_of(g, x, layer.post_attention_norm)));
  }

  Value norm(Graph& g, Value x) const override { return norm_of(g, x, norm_); }

  static Value norm_of(Graph& g, Value x, const nn::LayerNorm& norm) {
    return g.layer_norm(x,
                        {.eps = norm.eps, .weight = &norm.weight, .bias = &*norm.bias, .weight_offset = 1});
  }

  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
};

constexpr std::string_view model_types[] = {"nemotron"};

}  // namespace

const Arch nemotron_arch{
    .name = "nemotron",
    .model_types = model_types,
    .summary = "Nemotron 4, Minitron",
    .caches = {.full = true},
    .renames = {},
    .build = build<Nemotron>,
};

}  // namespace pome::models
