// Ministral 3 and the text models of Mistral 3.x that say so: Llama's block with yarn, queries sharpened step
// by step behind the original context. Follows transformers' models/ministral3/modeling_ministral3.py.
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

class Ministral3 final : public Decoder {
 public:
  Ministral3(Config& config, Weights& weights)
      : Decoder(
            read_decoder_config(
                config,
                {.head_dim = 128, .max_position_embeddings = 262144, .rope_theta = 1e6, .norm_eps = 1e-5F}),
            weights) {
    const int window = config.positive_or_none("sliding_window");
    const std::vector<bool> sliding =
        read_sliding_layers(config, c_.num_hidden_layers, [window](int) { return window > 0; });
    const nn::RopeSettings rope = nn::parse_rope(config.json(), {}, config.subject());
    query_scale_ = {.beta = static_cast<float>(rope.llama_4_scaling_beta),
                    .period = static_cast<float>(rope.original_max_position_embeddings)};
    if (query_scale_.beta > 0 && query_scale_.period <= 0) {
      fail(ErrorKind::corrupt,
           "{}: llama_4_scaling_beta is {}, but original_max_position_embeddings is missing",
           config.subject(), query_scale_.beta);
    }
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      if (sliding[i]) plan_[i].window = window;
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, g.rms_norm(x, layer.input_norm, c_.norm_eps));
    q = g.rope(q, c_.rope);
    if (query_scale_.beta > 0) q = g.scale(q, query_scale_);
    const Value a = attend(g, i, q, g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  graph::PositionScale query_scale_;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"ministral3", "mistral3"};

}  // namespace

const Arch ministral3_arch{
    .name = "ministral3",
    .model_types = model_types,
    .summary = "Ministral 3, Mistral Small 3.x, text",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Ministral3>,
};

}  // namespace pome::models
