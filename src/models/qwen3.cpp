// Qwen3: Qwen2's block with q and k normalized per head before they are rotated. Follows transformers'
// models/qwen3/modeling_qwen3.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [C]
  Tensor k_norm;  // [C]
  Tensor post_attention_norm;
  nn::GatedMlp mlp;
};

class Qwen3 final : public Decoder {
 public:
  Qwen3(Config& config, Weights& weights) : Decoder(read_decoder_config(config, {.head_dim = 128}), weights) {
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const std::vector<int> windows = read_layer_windows(config, c_.num_hidden_layers);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = windows[i];
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention =
          take_attention(weights, at + "self_attn", c_, {.qkv = attention_bias, .o = attention_bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), c_.rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), c_.rope);
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, v)));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"qwen3"};

}  // namespace

const Arch qwen3_arch{
    .name = "qwen3",
    .model_types = model_types,
    .summary = "Qwen3, dense",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Qwen3>,
};

}  // namespace pome::models
