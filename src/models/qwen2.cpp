// Qwen2 and Qwen2.5: Llama's block with biases on q, k and v alone, and some layers' attention in a sliding
// window. Follows transformers' models/qwen2/modeling_qwen2.py.
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

class Qwen2 final : public Decoder {
 public:
  Qwen2(Config& config, Weights& weights) : Decoder(read_decoder_config(config), weights) {
    const std::vector<int> windows = read_layer_windows(config, c_.num_hidden_layers);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = windows[i];
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = true, .o = false});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"qwen2"};

}  // namespace

const Arch qwen2_arch{
    .name = "qwen2",
    .model_types = model_types,
    .summary = "Qwen2, Qwen2.5 and models distilled into them",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Qwen2>,
};

}  // namespace pome::models
