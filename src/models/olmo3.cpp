// OLMo 3: OLMo 2's block, three layers of four in a sliding window. A rope scaling is for the layers that see
// everything alone. Follows transformers' models/olmo3/modeling_olmo3.py.
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

constexpr double default_theta = 500000;

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.rope_theta = default_theta, .norm_eps = 1e-5F});
  c.rope = read_rope(config, c, {.theta = default_theta}, "full_attention");
  return c;
}

// transformers takes rope_theta of the older form for full layers only and 500000 for sliding ones, mlx-lm
// for both; published configs say 500000.
graph::Rope read_sliding_rope(Config& config, const DecoderConfig& c) {
  nn::RopeSettings settings{.theta = config.get<double>("rope_theta", default_theta)};
  if (nn::has_ropes_by_layer_type(config.json())) {
    settings = nn::parse_rope(config.json(), settings, config.subject(), "sliding_attention");
  }
  return nn::make_rope(settings, c.head_dim, c.max_position_embeddings, config.subject());
}

class Olmo3 final : public Decoder {
 public:
  Olmo3(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    const int window = config.positive("sliding_window", 4096);
    const std::vector<bool> sliding =
        read_sliding_layers(config, c_.num_hidden_layers, [](int i) { return (i + 1) % 4 != 0; });
    sliding_rope_ = read_sliding_rope(config, c_);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.q_width()});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.kv_width()});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      layer.post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {c_.hidden_size});
      if (sliding[i]) plan_[i].window = window;
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const graph::Rope& rope = plan_[i].window > 0 ? sliding_rope_ : c_.rope;
    auto [q, k, v] = nn::project_qkv(g, layer.attention, x);
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), rope);
    const Value a = g.linear(*layer.attention.o, attend(g, i, q, k, v));
    x = g.add(x, g.rms_norm(a, layer.post_attention_norm, c_.norm_eps));
    return g.add(x, g.rms_norm(nn::gated_mlp(g, layer.mlp, x), layer.post_feedforward_norm, c_.norm_eps));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  graph::Rope sliding_rope_;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"olmo3"};

}  // namespace

const Arch olmo3_arch{
    .name = "olmo3",
    .model_types = model_types,
    .summary = "OLMo 3",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Olmo3>,
};

}  // namespace pome::models
