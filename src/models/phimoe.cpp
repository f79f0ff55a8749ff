// Phi-3.5-MoE: layer norms, biased attention, and two experts chosen one after the other by the sparse mixer.
// Follows transformers' models/phimoe/modeling_phimoe.py, except that long sequences get longrope's long
// factors, as Phi 3's do and the model was trained with.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::LayerNorm input_norm;
  nn::AttentionProjections attention;
  nn::LayerNorm post_attention_norm;
  nn::Mixture mlp;
};

DecoderConfig read_config(Config& config) {
  return read_decoder_config(config, {.max_position_embeddings = 131072,
                                      .original_max_position_embeddings = 4096,
                                      .rope_theta = 1e6,
                                      .norm_eps = 1e-5F});
}

class PhiMoe final : public Decoder {
 public:
  PhiMoe(Config& config, Weights& weights)
      : Decoder(read_config(config), weights, {.head_bias = config.get<bool>("lm_head_bias", false)}) {
    const bool bias = config.get<bool>("attention_bias", false);
    const int window = config.positive_or_none("sliding_window");
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                             .chosen = 2,
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    const graph::Routing routing{.scores = graph::Routing::Scores::sparse_mixer,
                                 .jitter = config.get<float>("router_jitter_noise", 0.01F)};
    config.mark_read("num_experts_per_tok");  // the sparse mixer chooses two, whatever it says
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = window;
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_layer_norm(weights, at + "input_layernorm", c_, true);
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = take_layer_norm(weights, at + "post_attention_layernorm", c_, true);
      layer.mlp = take_mixture(weights, at + "mlp", sizes, c_.hidden_act, routing);
    }
    norm_ = take_layer_norm(weights, "model.norm", c_, true);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, nn::layer_norm(g, layer.input_norm, x));
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::mixture(g, layer.mlp, nn::layer_norm(g, layer.post_attention_norm, x)));
  }

  Value norm(Graph& g, Value x) const override { return nn::layer_norm(g, norm_, x); }

  std::vector<Layer> layers_;
  nn::LayerNorm norm_;
};

constexpr std::string_view model_types[] = {"phimoe"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::replace, .pattern = ".block_sparse_moe.", .to = ".mlp."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".mlp.router.", .to = ".mlp.gate."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w1.", .to = ".gate_proj."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w2.", .to = ".down_proj."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w3.", .to = ".up_proj."},
};

}  // namespace

const Arch phimoe_arch{
    .name = "phimoe",
    .model_types = model_types,
    .summary = "Phi-3.5-MoE",
    .caches = {.full = true},
    .renames = renames,
    .build = build<PhiMoe>,
};

}  // namespace pome::models
