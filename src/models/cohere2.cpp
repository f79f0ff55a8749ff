// Command R7B, Command A, Aya and Tiny Aya: Command R's block, three layers of four in a sliding window and
// rotated, the fourth neither. Follows transformers' models/cohere2/modeling_cohere2.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::LayerNorm input_norm;
  nn::AttentionProjections attention;
  nn::GatedMlp mlp;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.max_position_embeddings = 8192,
                                                 .rope_theta = 10000,
                                                 .norm_eps_key = "layer_norm_eps",
                                                 .norm_eps = 1e-5F,
                                                 .tie_word_embeddings = true});
  c.rope.interleaved = true;
  return c;
}

class Cohere2 final : public Decoder {
 public:
  Cohere2(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    logit_scale_ = config.get<float>("logit_scale", 0.0625F);
    const int window = config.positive("sliding_window", 4096);
    const int pattern = config.positive("sliding_window_pattern", 4);
    for (const char* key :
         {"use_qk_norm", "order_of_interleaved_layers", "rotary_pct", "position_embedding_type",
          "use_embedding_sharing", "use_gated_activation", "use_parallel_block", "use_parallel_embedding",
          "layer_switch", "_sliding_window_pattern"}) {
      config.mark_read(key);
    }
    const std::vector<bool> sliding = read_sliding_layers(
        config, c_.num_hidden_layers, [pattern](int i) { return (i + 1) % pattern != 0; });
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_layer_norm(weights, at + "input_layernorm", c_, false);
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
      if (sliding[i]) plan_[i].window = window;
    }
    norm_ = take_layer_norm(weights, "model.norm", c_, false);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = nn::layer_norm(g, layer.input_norm, x);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    if (plan_[i].window > 0) {
      q = g.rope(q, c_.rope);
      k = g.rope(k, c_.rope);
    }
    const Value a = g.linear(*layer.attention.o, attend(g, i, q, k, v));
    return g.add(g.add(x, a), nn::gated_mlp(g, layer.mlp, h));
  }

  Value norm(Graph& g, Value x) const override { return nn::layer_norm(g, norm_, x); }

  Value head(Graph& g, Value x) const override { return g.scale(Decoder::head(g, x), logit_scale_); }

  float logit_scale_;
  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
};

constexpr std::string_view model_types[] = {"cohere2"};

}  // namespace

const Arch cohere2_arch{
    .name = "cohere2",
    .model_types = model_types,
    .summary = "Command R7B, Command A",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Cohere2>,
};

}  // namespace pome::models
