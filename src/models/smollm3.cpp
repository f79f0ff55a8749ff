// SmolLM3: Llama's block; every fourth layer is not rotated. Follows transformers'
// models/smollm3/modeling_smollm3.py.
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

// `no_rope_layers` has, despite its name, a 1 for every layer that is rotated.
std::vector<bool> read_rotated_layers(Config& config, int num_hidden_layers) {
  const int interval = config.positive("no_rope_layer_interval", 4);
  const Json* told = config.find("no_rope_layers");
  if (told != nullptr && (!told->is_array() || told->size() != static_cast<std::size_t>(num_hidden_layers))) {
    fail(ErrorKind::corrupt, "{}: no_rope_layers is no list of {} layers", config.subject(),
         num_hidden_layers);
  }
  std::vector<bool> rotated;
  for (int i = 0; i < num_hidden_layers; ++i) {
    rotated.push_back(told == nullptr
                          ? (i + 1) % interval != 0
                          : json_as<int>((*told)[static_cast<std::size_t>(i)], "no_rope_layers") != 0);
  }
  return rotated;
}

class Smollm3 final : public Decoder {
 public:
  Smollm3(Config& config, Weights& weights)
      : Decoder(
            read_decoder_config(
                config, {.max_position_embeddings = 32768, .rope_theta = 2e6, .tie_word_embeddings = true}),
            weights) {
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const bool mlp_bias = config.get<bool>("mlp_bias", false);
    rotated_ = read_rotated_layers(config, c_.num_hidden_layers);
    const int window = config.positive_or_none("sliding_window");
    const bool used = config.get<bool>("use_sliding_window", false);
    config.mark_read("max_window_layers");
    const std::vector<bool> sliding = read_sliding_layers(
        config, c_.num_hidden_layers, [this](int i) { return !rotated_[static_cast<std::size_t>(i)]; });
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention =
          take_attention(weights, at + "self_attn", c_, {.qkv = attention_bias, .o = attention_bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, mlp_bias);
      if (used && sliding[i]) plan_[i].window = window;
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, g.rms_norm(x, layer.input_norm, c_.norm_eps));
    if (rotated_[i]) {
      q = g.rope(q, c_.rope);
      k = g.rope(k, c_.rope);
    }
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, v)));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<bool> rotated_;  // by layer
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"smollm3"};

}  // namespace

const Arch smollm3_arch{
    .name = "smollm3",
    .model_types = model_types,
    .summary = "SmolLM3",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Smollm3>,
};

}  // namespace pome::models
