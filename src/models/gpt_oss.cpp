// gpt-oss: attention with sinks, every other layer sliding, and experts with a clamped gate. Follows
// transformers' models/gpt_oss/modeling_gpt_oss.py. Three layouts: MLX's with gate and up apart; published,
// gate and up row by row in turn as MXFP4, whose bytes are MLX's; and the same dense, transposed.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

// <name>_blocks [E, out, in/32, 16] and <name>_scales [E, out, in/32], both bytes.
graph::Weight take_blocks(Weights& weights, const std::string& name, int experts, int out, int in) {
  graph::Weight weight;
  weight.weight = weights.use(name + "_blocks");
  weight.scales = weights.use(name + "_scales");
  const std::vector<std::int64_t> blocks{experts, out, in / 32, 16}, scales{experts, out, in / 32};
  for (const auto& [tensor, shape] :
       {std::pair(&weight.weight, &blocks), std::pair(&*weight.scales, &scales)}) {
    if (tensor->dtype == Dtype::u8 && tensor->shape == *shape && in % 32 == 0) continue;
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} {}, expected U8 {}", tensor->file, tensor->name,
         dtype_name(tensor->dtype), tensor->shape_text(), formats::shape_text(*shape));
  }
  weight.weight.dtype = Dtype::u32;
  weight.weight.shape = {experts, out, in / 8};
  weight.quantization = graph::Quantization{.mode = "mxfp4", .bits = 4, .group_size = 32};
  return weight;
}

graph::Experts take_published(Weights& weights, const std::string& at, const MixtureSizes& sizes) {
  graph::Experts experts;
  experts.name = at;
  experts.count = sizes.experts;
  experts.fused = graph::Experts::Fused::alternating;
  const auto take = [&](const char* part, int out, int in) {
    const std::string name = at + part;
    graph::Weight weight;
    if (weights.contains(name + "_blocks")) {
      weight = take_blocks(weights, name, sizes.experts, out, in);
    } else {
      weight.weight = nn::transposed(weights.take(name, {sizes.experts, in, out}));
    }
    return graph::ExpertMatrices{{std::move(weight)}, weights.take(name + "_bias", {sizes.experts, out})};
  };
  experts.gate = take(".gate_up_proj", 2 * sizes.inner, sizes.width);
  experts.down = take(".down_proj", sizes.width, sizes.inner);
  return experts;
}

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
    mixture.experts = weights.contains(at + "mlp.experts.gate_proj.weight")
                          ? take_experts(weights, at + "mlp", sizes, graph::Activation::silu)
                          : take_published(weights, at + "mlp.experts", sizes);
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

}  // namespace

const Arch gpt_oss_arch{
    .name = "gpt_oss",
    .model_types = model_types,
    .summary = "gpt-oss 20B and 120B",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<GptOss>,
};

}  // namespace pome::models
