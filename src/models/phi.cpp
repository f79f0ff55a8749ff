// Phi 1, 1.5 and 2: attention and a plain MLP side by side behind one layer norm, heads rotated in part,
// biases everywhere, the head's too. Follows transformers' models/phi/modeling_phi.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::Norm input_norm;
  nn::LinearPtr q, k, v, dense;
  nn::Norm q_norm, k_norm;  // [C], where the config has qk_layernorm
  nn::PlainMlp mlp;
};

DecoderConfig read_config(Config& config) {
  return read_decoder_config(config, {.partial_rotary_factor = 0.5,
                                      .norm_eps_key = "layer_norm_eps",
                                      .norm_eps = 1e-5F,
                                      .hidden_act = graph::Activation::gelu_tanh});
}

class Phi final : public Decoder {
 public:
  Phi(Config& config, Weights& weights) : Decoder(read_config(config), weights, {.head_bias = true}) {
    qk_layernorm_ = config.get<bool>("qk_layernorm", false);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_norm(weights, at + "input_layernorm", c_, biased_layer_norm);
      layer.q = weights.linear(at + "self_attn.q_proj", c_.q_width(), c_.hidden_size, true);
      layer.k = weights.linear(at + "self_attn.k_proj", c_.kv_width(), c_.hidden_size, true);
      layer.v = weights.linear(at + "self_attn.v_proj", c_.kv_width(), c_.hidden_size, true);
      layer.dense = weights.linear(at + "self_attn.dense", c_.hidden_size, c_.q_width(), true);
      if (qk_layernorm_) {
        layer.q_norm = take_norm(weights, at + "self_attn.q_layernorm", c_, biased_layer_norm, c_.head_dim);
        layer.k_norm = take_norm(weights, at + "self_attn.k_layernorm", c_, biased_layer_norm, c_.head_dim);
      }
      layer.mlp = take_plain_mlp(weights, at + "mlp", "fc1", "fc2", c_, true);
    }
    norm_ = take_norm(weights, "model.final_layernorm", c_, biased_layer_norm);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = nn::norm(g, layer.input_norm, x);
    Value q = g.linear(*layer.q, h);
    Value k = g.linear(*layer.k, h);
    if (qk_layernorm_) {
      q = nn::norm(g, layer.q_norm, q);
      k = nn::norm(g, layer.k_norm, k);
    }
    const Value v = g.linear(*layer.v, h);
    const Value a = g.linear(*layer.dense, attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v));
    return g.add(g.add(a, nn::plain_mlp(g, layer.mlp, h)), x);
  }

  Value norm(Graph& g, Value x) const override { return nn::norm(g, norm_, x); }

  bool qk_layernorm_ = false;
  std::vector<Layer> layers_;
  nn::Norm norm_;
};

constexpr std::string_view model_types[] = {"phi"};

}  // namespace

const Arch phi_arch{
    .name = "phi",
    .model_types = model_types,
    .summary = "Phi 1, 1.5, 2",
    .caches = {.full = true},
    .renames = {},
    .build = build<Phi>,
};

}  // namespace pome::models
