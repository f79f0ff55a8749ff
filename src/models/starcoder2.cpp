// StarCoder2: layer norms with biases, biases everywhere, a plain MLP, all layers in one sliding window.
// Follows transformers' models/starcoder2/modeling_starcoder2.py (mlx-lm ignores the window and the tanh form
// of GELU).
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

class Starcoder2 final : public Decoder {
 public:
  Starcoder2(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.max_position_embeddings = 4096,
                                             .norm_eps_key = "norm_epsilon",
                                             .norm_eps = 1e-5F,
                                             .tie_word_embeddings = true,
                                             .hidden_act = graph::Activation::gelu_tanh}),
                weights) {
    const bool bias = config.get<bool>("use_bias", true);
    for (const char* key : {"activation_function", "attention_softmax_in_fp32", "layer_norm_epsilon",
                            "mlp_type", "norm_type", "scale_attention_softmax_in_fp32", "scale_attn_weights"})
      config.mark_read(key);
    const int window = config.positive_or_none("sliding_window");
    for (graph::CacheLayer& cached : plan_) cached.window = window;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_layer_norm(weights, at + "input_layernorm", c_, true);
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = take_layer_norm(weights, at + "post_attention_layernorm", c_, true);
      layer.mlp = {.up = weights.linear(at + "mlp.c_fc", c_.intermediate_size, c_.hidden_size, bias),
                   .down = weights.linear(at + "mlp.c_proj", c_.hidden_size, c_.intermediate_size, bias),
                   .activation = c_.hidden_act};
    }
    norm_ = take_layer_norm(weights, "model.norm", c_, true);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, nn::layer_norm(g, layer.input_norm, x));
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::plain_mlp(g, layer.mlp, nn::layer_norm(g, layer.post_attention_norm, x)));
  }

  Value norm(Graph& g, Value x) const override { return nn::layer_norm(g, norm_, x); }

  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
};

constexpr std::string_view model_types[] = {"starcoder2"};

}  // namespace

const Arch starcoder2_arch{
    .name = "starcoder2",
    .model_types = model_types,
    .summary = "StarCoder2",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Starcoder2>,
};

}  // namespace pome::models
