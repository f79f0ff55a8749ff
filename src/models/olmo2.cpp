// OLMo 2: attention and MLP are normalized behind instead of before, q and k over their whole width. Follows
// transformers' models/olmo2/modeling_olmo2.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::AttentionProjections attention;
  Tensor q_norm;  // [H·C]
  Tensor k_norm;  // [K·C]
  Tensor post_attention_norm;
  nn::GatedMlp mlp;
  Tensor post_feedforward_norm;
};

class Olmo2 final : public Decoder {
 public:
  Olmo2(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.norm_eps = 1e-5F}), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.q_width()});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.kv_width()});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      layer.post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {c_.hidden_size});
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, x);
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), c_.rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), c_.rope);
    const Value a = g.linear(*layer.attention.o, attend(g, i, q, k, v));
    x = g.add(x, g.rms_norm(a, layer.post_attention_norm, c_.norm_eps));
    return g.add(x, g.rms_norm(nn::gated_mlp(g, layer.mlp, x), layer.post_feedforward_norm, c_.norm_eps));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"olmo2"};

}  // namespace

const Arch olmo2_arch{
    .name = "olmo2",
    .model_types = model_types,
    .summary = "OLMo 2",
    .caches = {.full = true},
    .renames = {},
    .build = build<Olmo2>,
};

}  // namespace pome::models
