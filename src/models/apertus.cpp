// Apertus: Llama's block with q and k normalized per head and a plain MLP, whose activation xIELU learns two
// numbers per layer. Follows transformers' models/apertus/modeling_apertus.py.
#include <cmath>

#include "models/decoder.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor attention_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [C]
  Tensor k_norm;  // [C]
  Tensor feedforward_norm;
  nn::LinearPtr up;
  graph::Xielu xielu;
  nn::LinearPtr down;
};

// One element; absent: the default.
float take_scalar(Weights& weights, const std::string& name, float otherwise) {
  if (!weights.contains(name)) return otherwise;
  return nn::to_floats(weights.take_scalar(name))[0];
}

DecoderConfig read_config(Config& config) {
  const auto act = config.get<std::string>("hidden_act", "xielu");
  if (act != "xielu") {
    fail(ErrorKind::unsupported, "{}: hidden_act \"{}\" is not implemented, xielu is; nothing was loaded",
         config.subject(), act);
  }
  return read_decoder_config(
      config,
      {.max_position_embeddings = 65536, .rope_theta = 12000000, .norm_eps = 1e-5F, .hidden_act_key = {}});
}

graph::Xielu take_xielu(Weights& weights, const std::string& at) {
  const auto softplus = [](float x) { return std::max(x, 0.0F) + std::log1p(std::exp(-std::fabs(x))); };
  graph::Xielu xielu;
  xielu.beta = take_scalar(weights, at + "beta", 0.5F);
  xielu.eps = take_scalar(weights, at + "eps", -1e-6F);
  xielu.positive = softplus(take_scalar(weights, at + "alpha_p", 0));
  xielu.negative = xielu.beta + softplus(take_scalar(weights, at + "alpha_n", 0));
  return xielu;
}

class Apertus final : public Decoder {
 public:
  Apertus(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    const bool mlp_bias = config.get<bool>("mlp_bias", false);  // of no use to transformers: tensors decide
    config.mark_read("qk_norm");
    config.mark_read("post_norm");
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.attention_norm = weights.take(at + "attention_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
      layer.feedforward_norm = weights.take(at + "feedforward_layernorm.weight", {c_.hidden_size});
      layer.up = weights.linear(at + "mlp.up_proj", c_.intermediate_size, c_.hidden_size,
                                mlp_bias && weights.contains(at + "mlp.up_proj.bias"));
      layer.xielu = take_xielu(weights, at + "mlp.act_fn.");
      layer.down = weights.linear(at + "mlp.down_proj", c_.hidden_size, c_.intermediate_size,
                                  mlp_bias && weights.contains(at + "mlp.down_proj.bias"));
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, g.rms_norm(x, layer.attention_norm, c_.norm_eps));
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), c_.rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), c_.rope);
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, v)));
    const Value h = g.linear(*layer.up, g.rms_norm(x, layer.feedforward_norm, c_.norm_eps));
    return g.add(x, g.linear(*layer.down, g.activate(layer.xielu, h)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"apertus"};

}  // namespace

const Arch apertus_arch{
    .name = "apertus",
    .model_types = model_types,
    .summary = "Apertus",
    .caches = {.full = true},
    .renames = {},
    .build = build<Apertus>,
};

}  // namespace pome::models
