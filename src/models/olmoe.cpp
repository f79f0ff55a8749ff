// OLMoE: Llama's block with q and k normalized over all heads at once, and experts in the MLP's place.
// Follows transformers' models/olmoe/modeling_olmoe.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 4096, .norm_eps = 1e-5F}),
                       .attention_bias = read_attention_bias(config),
                       .qk_norm = {.kind = QkNorm::Kind::whole}};
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_experts", "num_local_experts"),
                                .chosen = config.positive("num_experts_per_tok", 8),
                                .width = spec.c.hidden_size,
                                .inner = spec.c.intermediate_size},
                      .routing = {.normalize = config.get<bool>("norm_topk_prob", false)}};
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, spec.c);
  return spec;
}

class Olmoe final : public Transformer {
 public:
  Olmoe(Config& config, Weights& weights)
      : Transformer(describe(config), weights), clip_qkv_(config.get<float>("clip_qkv", 0)) {}

 private:
  nn::Qkv prepare(Graph& g, std::size_t i, nn::Qkv x) const override {
    x = normalize(g, i, x);
    if (clip_qkv_ > 0) {
      for (Value* value : {&x.q, &x.k, &x.v}) *value = g.clamp(*value, -clip_qkv_, clip_qkv_);
    }
    return rotate(g, i, x);
  }

  float clip_qkv_;
};

constexpr std::string_view model_types[] = {"olmoe"};

}  // namespace

const Arch olmoe_arch{
    .name = "olmoe",
    .model_types = model_types,
    .summary = "OLMoE",
    .caches = {.full = true},
    .renames = mlp_experts,
    .build = build<Olmoe>,
};

}  // namespace pome::models
