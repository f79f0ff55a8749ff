// Seed-OSS: Llama's block with heads wider than their share, biases on q, k and v, and one on o if the config
// says so. Follows transformers' models/seed_oss/modeling_seed_oss.py.
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

class SeedOss final : public Decoder {
 public:
  SeedOss(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.head_dim = 128, .max_position_embeddings = 524288}), weights) {
    const AttentionBiases biases{.qkv = config.get<bool>("attention_bias", true),
                                 .o = config.get<bool>("attention_out_bias", false)};
    const bool mlp_bias = config.get<bool>("mlp_bias", false);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, biases);
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, mlp_bias);
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

constexpr std::string_view model_types[] = {"seed_oss"};

}  // namespace

const Arch seed_oss_arch{
    .name = "seed_oss",
    .model_types = model_types,
    .summary = "Seed-OSS",
    .caches = {.full = true},
    .renames = {},
    .build = build<SeedOss>,
};

}  // namespace pome::models
