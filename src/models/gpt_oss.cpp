// gpt-oss: attention with sinks, every other layer sliding, and experts with a clamped gate. Follows
// transformers' models/gpt_oss/modeling_gpt_oss.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config,
          {.head_dim = 64, .max_position_embeddings = 131072, .rope_theta = 150000, .norm_eps = 1e-5F}),
      .attention_bias = read_attention_bias(config, true)};
  const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                           .chosen = config.positive("num_experts_per_tok", 4),
                           .width = spec.c.hidden_size,
                           .inner = spec.c.intermediate_size};
  const graph::Gating gating{.activation = graph::Activation::silu,
                             .limit = config.get<float>("swiglu_limit", 7),
                             .alpha = config.get<float>("swiglu_alpha", 1.702F)};
  spec.windows =
      read_sliding_windows(config, spec.c.num_hidden_layers, config.positive_or_none("sliding_window"),
                           [](int layer) { return layer % 2 == 0; });
  mark_router_losses(config);
  // experts_per_token: as the published configs say num_experts_per_tok a second time.
  config.mark_all_read({"initial_context_length", "experts_per_token"});
  spec.feed_forward = [sizes, gating](Weights& weights, const std::string& at, std::size_t) {
    nn::Mixture mixture{.router = weights.linear(at + "mlp.router", sizes.experts, sizes.width, true),
                        .routing = {.experts = sizes.experts,
                                    .chosen = sizes.chosen,
                                    .scores = graph::Routing::Scores::softmax_of_chosen}};
    mixture.experts = take_experts(weights, at + "mlp.experts", sizes, graph::Activation::silu);
    mixture.experts.gating = gating;
    return nn::FeedForward{.mixture = std::move(mixture)};
  };
  return spec;
}

class GptOss final : public Transformer {
 public:
  GptOss(Config& config, Weights& weights) : Transformer(describe(config), weights) {
    for (std::size_t i = 0; i < layer_count(); ++i) {
      sinks_.push_back(weights.take(layer_path(i) + "self_attn.sinks", {c_.num_attention_heads}));
    }
  }

 private:
  graph::Attention attention_of(std::size_t layer) const override {
    graph::Attention spec = Decoder::attention_of(layer);
    spec.sinks = &sinks_[layer];
    return spec;
  }

  std::vector<Tensor> sinks_;  // [H]
};

constexpr std::string_view model_types[] = {"gpt_oss"};

// As published gate and up are one, row by row in turn: as MXFP4, whose bytes are MLX's, or dense and
// transposed.
constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::words, .pattern = "_proj_blocks", .to = "_proj.weight"},
    {.kind = formats::Rename::Kind::replace, .pattern = "_proj_scales", .to = "_proj.scales"},
    {.kind = formats::Rename::Kind::replace, .pattern = "_proj_bias", .to = "_proj.bias"},
    {.kind = formats::Rename::Kind::transpose,
     .pattern = ".experts.gate_up_proj",
     .to = ".experts.gate_up_proj.weight"},
    {.kind = formats::Rename::Kind::transpose,
     .pattern = ".experts.down_proj",
     .to = ".experts.down_proj.weight"},
    {.kind = formats::Rename::Kind::alternate,
     .pattern = ".experts.gate_up_proj.weight",
     .to = ".experts.gate_proj.weight",
     .second = ".experts.up_proj.weight"},
    {.kind = formats::Rename::Kind::alternate,
     .pattern = ".experts.gate_up_proj.scales",
     .to = ".experts.gate_proj.scales",
     .second = ".experts.up_proj.scales"},
    {.kind = formats::Rename::Kind::alternate,
     .pattern = ".experts.gate_up_proj.bias",
     .to = ".experts.gate_proj.bias",
     .second = ".experts.up_proj.bias",
     .axis = -1},
};

}  // namespace

const Arch gpt_oss_arch{
    .name = "gpt_oss",
    .model_types = model_types,
    .summary = "gpt-oss 20B and 120B",
    .caches = {.full = true, .sliding = true},
    .renames = renames,
    .build = build<GptOss>,
};

}  // namespace pome::models
