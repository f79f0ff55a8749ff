// Granite 3 with mixtures of experts: Granite's block with experts in the MLP's place. Follows transformers'
// models/granitemoe/modeling_granitemoe.py.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_attention_norm;
  nn::Mixture mlp;
};

class GraniteMoe final : public Decoder {
 public:
  GraniteMoe(Config& config, Weights& weights) : Decoder(read_decoder_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    embedding_multiplier_ = config.get<float>("embedding_multiplier", 1);
    residual_multiplier_ = config.get<float>("residual_multiplier", 1);
    logits_scaling_ = config.get<float>("logits_scaling", 1);
    c_.attention_scale = config.get<float>("attention_multiplier", 1);
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                             .chosen = config.positive("num_experts_per_tok", 2),
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_mixture(weights, at + "mlp", sizes, c_.hidden_act,
                               {.scores = graph::Routing::Scores::softmax_of_chosen});
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value embed(Graph& g) const override { return g.scale(Decoder::embed(g), embedding_multiplier_); }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.scale(g.linear(*layer.attention.o, a), residual_multiplier_));
    const Value f = nn::mixture(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps));
    return g.add(x, g.scale(f, residual_multiplier_));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  Value head(Graph& g, Value x) const override { return g.scale(Decoder::head(g, x), 1 / logits_scaling_); }

  float embedding_multiplier_;
  float residual_multiplier_;
  float logits_scaling_;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"granitemoe"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::replace, .pattern = ".block_sparse_moe.", .to = ".mlp."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".router.layer.", .to = ".gate."},
    {.kind = formats::Rename::Kind::replace,
     .pattern = ".input_linear.weight",
     .to = ".experts.gate_up_proj"},
    {.kind = formats::Rename::Kind::replace, .pattern = ".output_linear.weight", .to = ".experts.down_proj"},
};

}  // namespace

const Arch granitemoe_arch{
    .name = "granitemoe",
    .model_types = model_types,
    .summary = "Granite 3 with mixtures of experts",
    .caches = {.full = true},
    .renames = renames,
    .build = build<GraniteMoe>,
};

}  // namespace pome::models
