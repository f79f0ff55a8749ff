// ERNIE 4.5, dense: Llama's block, neighbours of a head paired for rotation. Follows transformers'
// models/ernie4_5/modeling_ernie4_5.py.
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

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.head_dim = 128,
                                                 .max_position_embeddings = 131072,
                                                 .rope_theta = 500000,
                                                 .norm_eps = 1e-5F,
                                                 .tie_word_embeddings = true});
  c.rope.interleaved = true;
  return c;
}

class Ernie45 final : public Decoder {
 public:
  Ernie45(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("use_bias", false);
    // Of the training framework.
    for (const char* key : {"compression_ratio", "use_rmsnorm", "weight_share_add_bias", "fuse_rope"})
      config.mark_read(key);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, bias);
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

constexpr std::string_view model_types[] = {"ernie4_5"};

}  // namespace

const Arch ernie4_5_arch{
    .name = "ernie4_5",
    .model_types = model_types,
    .summary = "ERNIE 4.5, dense",
    .caches = {.full = true},
    .renames = {},
    .build = build<Ernie45>,
};

}  // namespace pome::models
