// EXAONE 4: OLMo 2's order of norms, q and k normalized per head. Where some layers slide, only those are
// rotated. Follows transformers' models/exaone4/modeling_exaone4.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::AttentionProjections attention;
  Tensor q_norm;  // [C]
  Tensor k_norm;  // [C]
  Tensor post_attention_norm;
  nn::GatedMlp mlp;
  Tensor post_feedforward_norm;
};

// One of "LLLG", whose last letter is the layer that sees everything, or its length; 0 without a window.
int read_pattern(Config& config, int window) {
  const Json* pattern = config.find("sliding_window_pattern");
  if (pattern == nullptr || window == 0) return 4;
  return pattern->is_string() ? std::max(1, static_cast<int>(pattern->get<std::string>().size()))
                              : config.positive("sliding_window_pattern");
}

class Exaone4 final : public Decoder {
 public:
  Exaone4(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.norm_eps = 1e-5F}), weights) {
    const bool null = config.json().contains("sliding_window") && config.find("sliding_window") == nullptr;
    window_ = null ? 0 : config.positive("sliding_window", 4096);
    const int pattern = read_pattern(config, window_);
    const std::vector<bool> sliding = read_sliding_layers(
        config, c_.num_hidden_layers, [&](int i) { return window_ > 0 && (i + 1) % pattern != 0; });
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.attention = take_attention(weights, at + "self_attn", c_, {});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      layer.post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {c_.hidden_size});
      if (sliding[i]) plan_[i].window = window_;
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, x);
    q = g.rms_norm(q, layer.q_norm, c_.norm_eps);
    k = g.rms_norm(k, layer.k_norm, c_.norm_eps);
    if (window_ == 0 || plan_[i].window > 0) {
      q = g.rope(q, c_.rope);
      k = g.rope(k, c_.rope);
    }
    const Value a = g.linear(*layer.attention.o, attend(g, i, q, k, v));
    x = g.add(x, g.rms_norm(a, layer.post_attention_norm, c_.norm_eps));
    return g.add(x, g.rms_norm(nn::gated_mlp(g, layer.mlp, x), layer.post_feedforward_norm, c_.norm_eps));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  int window_ = 0;  // 0: no layer slides
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"exaone4"};

}  // namespace

const Arch exaone4_arch{
    .name = "exaone4",
    .model_types = model_types,
    .summary = "EXAONE 4",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Exaone4>,
};

}  // namespace pome::models
