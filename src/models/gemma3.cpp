// Gemma 3, its text model: Gemma's norms around attention and MLP alike (before and behind), q and k
// normalized per head, five layers in a sliding window for each that sees everything. Sliding layers are
// rotated by a base of their own and never scaled. Follows transformers' models/gemma3/modeling_gemma3.py.
#include <cmath>

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
  Tensor pre_feedforward_norm;
  nn::GatedMlp mlp;
  Tensor post_feedforward_norm;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.vocab_size = 262208,
                                                 .hidden_size = 2304,
                                                 .intermediate_size = 9216,
                                                 .num_hidden_layers = 26,
                                                 .num_attention_heads = 8,
                                                 .num_key_value_heads = 4,
                                                 .head_dim = 256,
                                                 .max_position_embeddings = 131072,
                                                 .rope_theta = 1e6,
                                                 .tie_word_embeddings = true});
  c.rope = read_rope(config, c, {.theta = 1e6}, "full_attention");
  c.hidden_act = read_hidden_activation(config, graph::Activation::gelu_tanh);
  c.attention_scale = static_cast<float>(1 / std::sqrt(config.get<double>("query_pre_attn_scalar", 256)));
  config.mark_read("attn_logit_softcapping");  // of Gemma 2; transformers reads and ignores it here
  return c;
}

// In configs before transformers 5 the base of sliding layers has a key of its own.
graph::Rope read_sliding_rope(Config& config, const DecoderConfig& c) {
  nn::RopeSettings settings{.theta = config.get<double>("rope_local_base_freq", 10000)};
  if (nn::has_ropes_by_layer_type(config.json())) {
    settings = nn::parse_rope(config.json(), settings, config.subject(), "sliding_attention");
  }
  return nn::make_rope(settings, c.head_dim, c.max_position_embeddings, config.subject());
}

class Gemma3 final : public Decoder {
 public:
  Gemma3(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    const int window = config.positive("sliding_window", 4096);
    const int pattern = config.positive("sliding_window_pattern", 6);
    config.mark_read("_sliding_window_pattern");
    const std::vector<bool> sliding = read_sliding_layers(
        config, c_.num_hidden_layers, [pattern](int i) { return (i + 1) % pattern != 0; });
    sliding_rope_ = read_sliding_rope(config, c_);
    final_soft_cap_ = config.get<float>("final_logit_softcapping", 0);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
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
    const graph::Rope& rope = plan_[i].window > 0 ? sliding_rope_ : c_.rope;
    auto [q, k, v] = nn::project_qkv(g, layer.attention, norm_of(g, x, layer.input_norm));
    q = g.rope(norm_of(g, q, layer.q_norm), rope);
    k = g.rope(norm_of(g, k, layer.k_norm), rope);
    const Value a = g.linear(*layer.attention.o, attend(g, i, q, k, v));
    x = g.add(x, norm_of(g, a, layer.post_attention_norm));
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

  graph::Rope sliding_rope_;
  float final_soft_cap_ = 0;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"gemma3_text", "gemma3"};

}  // namespace

const Arch gemma3_arch{
    .name = "gemma3",
    .model_types = model_types,
    .summary = "Gemma 3, text",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Gemma3>,
};

}  // namespace pome::models
