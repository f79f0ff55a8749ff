// Qwen3 with mixtures of experts: Qwen3's block, and in most layers experts in the MLP's place. Follows
// transformers' models/qwen3_moe/modeling_qwen3_moe.py.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [C]
  Tensor k_norm;  // [C]
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

class Qwen3Moe final : public Decoder {
 public:
  Qwen3Moe(Config& config, Weights& weights) : Decoder(read_decoder_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_experts", "num_local_experts"),
                             .chosen = config.positive("num_experts_per_tok", 8),
                             .width = c_.hidden_size,
                             .inner = config.positive("moe_intermediate_size", 768)};
    const graph::Routing routing{.normalize = config.get<bool>("norm_topk_prob", false)};
    const std::vector<bool> sparse = read_sparse_layers(config, c_.num_hidden_layers);
    const int window = read_window_of_all(config);
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = window;
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      if (sparse[i]) {
        layer.mlp.mixture = take_mixture(weights, at + "mlp", sizes, c_.hidden_act, routing);
      } else {
        layer.mlp.dense = take_gated_mlp(weights, at + "mlp", c_, false);
      }
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  // One window for all layers, where it is used at all.
  static int read_window_of_all(Config& config) {
    const bool used = config.get<bool>("use_sliding_window", false);
    config.mark_read("max_window_layers");
    const int window = config.find("sliding_window") == nullptr ? 0 : config.positive("sliding_window");
    return used ? window : 0;
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), c_.rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), c_.rope);
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, v)));
    return g.add(x, nn::feed_forward(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"qwen3_moe"};

}  // namespace

const Arch qwen3_moe_arch{
    .name = "qwen3_moe",
    .model_types = model_types,
    .summary = "Qwen3 with mixtures of experts",
    .caches = {.full = true},
    .renames = {},
    .build = build<Qwen3Moe>,
};

}  // namespace pome::models
