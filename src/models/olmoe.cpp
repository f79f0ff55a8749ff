// OLMoE: Llama's block with q and k normalized over all heads at once, and experts in the MLP's place.
// Follows transformers' models/olmoe/modeling_olmoe.py.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [H·C]
  Tensor k_norm;  // [K·C]
  Tensor post_attention_norm;
  nn::Mixture mlp;
};

class Olmoe final : public Decoder {
 public:
  Olmoe(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.max_position_embeddings = 4096, .norm_eps = 1e-5F}), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    clip_qkv_ = config.get<float>("clip_qkv", 0);
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_experts", "num_local_experts"),
                             .chosen = config.positive("num_experts_per_tok", 8),
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    const graph::Routing routing{.normalize = config.get<bool>("norm_topk_prob", false)};
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.q_width()});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.kv_width()});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_mixture(weights, at + "mlp", sizes, c_.hidden_act, routing);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value clipped(Graph& g, Value x) const { return clip_qkv_ > 0 ? g.clamp(x, -clip_qkv_, clip_qkv_) : x; }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    q = g.rope(clipped(g, g.rms_norm(q, layer.q_norm, c_.norm_eps)), c_.rope);
    k = g.rope(clipped(g, g.rms_norm(k, layer.k_norm, c_.norm_eps)), c_.rope);
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, clipped(g, v))));
    return g.add(x, nn::mixture(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  float clip_qkv_ = 0;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"olmoe"};

}  // namespace

const Arch olmoe_arch{
    .name = "olmoe",
    .model_types = model_types,
    .summary = "OLMoE",
    .caches = {.full = true},
    .renames = {},
    .build = build<Olmoe>,
};

}  // namespace pome::models
