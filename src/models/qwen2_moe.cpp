// Qwen1.5 and 2 with mixtures of experts: Qwen2's block, and in most layers experts in the MLP's place,
// beside a gated one that all rows use. Follows transformers' models/qwen2_moe/modeling_qwen2_moe.py.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

class Qwen2Moe final : public Decoder {
 public:
  Qwen2Moe(Config& config, Weights& weights) : Decoder(read_decoder_config(config), weights) {
    const bool bias = config.get<bool>("qkv_bias", true);
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_experts", "num_local_experts"),
                             .chosen = config.positive("num_experts_per_tok", 4),
                             .width = c_.hidden_size,
                             .inner = config.positive("moe_intermediate_size", 1408)};
    const int shared = config.positive("shared_expert_intermediate_size", 5632);
    const graph::Routing routing{.normalize = config.get<bool>("norm_topk_prob", false)};
    const std::vector<bool> sparse = read_sparse_layers(config, c_.num_hidden_layers);
    const std::vector<int> windows = read_windows(config);
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = windows[i];
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = false});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      if (!sparse[i]) {
        layer.mlp.dense = take_gated_mlp(weights, at + "mlp", c_, false);
        continue;
      }
      nn::Mixture mixture = take_mixture(weights, at + "mlp", sizes, c_.hidden_act, routing);
      mixture.shared =
          take_gated_mlp(weights, at + "mlp.shared_expert", c_.hidden_size, shared, c_.hidden_act);
      mixture.shared_gate = weights.linear(at + "mlp.shared_expert_gate", 1, c_.hidden_size, false);
      layer.mlp.mixture = std::move(mixture);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  // Where the config does not list them, every other one of the first max_window_layers slides.
  std::vector<int> read_windows(Config& config) const {
    const bool used = config.get<bool>("use_sliding_window", false);
    const int most = config.get<int>("max_window_layers", 28);
    config.mark_read("sliding_window");  // 0 where it is not used
    const int window = used ? config.positive_or_none("sliding_window") : 0;
    const std::vector<bool> sliding = read_sliding_layers(
        config, c_.num_hidden_layers, [&](int layer) { return (layer + 1) % 2 != 0 && layer < most; });
    std::vector<int> windows;
    for (const bool slides : sliding) windows.push_back(slides ? window : 0);
    return windows;
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::feed_forward(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"qwen2_moe"};

}  // namespace

const Arch qwen2_moe_arch{
    .name = "qwen2_moe",
    .model_types = model_types,
    .summary = "Qwen1.5 and Qwen2 with mixtures of experts",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Qwen2Moe>,
};

}  // namespace pome::models
