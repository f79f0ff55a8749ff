// Llama 4's text model: layers that rotate and see their own chunk only, between layers that do neither but
// see everything, with queries that grow with the position; experts whose inputs are weighed. Follows
// transformers' models/llama4/modeling_llama4.py (the norm of q and k takes the config's epsilon; mlx-lm's
// takes 1e-6).
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

std::vector<bool> read_mixture_layers(Config& config, int num_hidden_layers) {
  const int step = config.positive("interleave_moe_layer_step", 1);
  std::vector<bool> sparse;
  for (int i = 0; i < num_hidden_layers; ++i) sparse.push_back((i + 1) % step == 0);
  const Json* listed = config.find("moe_layers");
  if (listed == nullptr) return sparse;
  if (!listed->is_array()) fail(ErrorKind::corrupt, "{}: moe_layers is no list", config.subject());
  sparse.assign(sparse.size(), false);
  for (const Json& entry : *listed) {
    const int layer = json_as<int>(entry, "moe_layers");
    if (layer >= 0 && layer < num_hidden_layers) sparse[static_cast<std::size_t>(layer)] = true;
  }
  return sparse;
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config,
          {.head_dim = 128, .max_position_embeddings = 131072, .rope_theta = 500000, .norm_eps = 1e-5F}),
      .attention_bias = read_attention_bias(config)};
  const DecoderConfig& c = spec.c;
  spec.c.rope.interleaved = true;
  spec.rotated = read_rotated_layers(config, c.num_hidden_layers);
  const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                           .chosen = config.positive("num_experts_per_tok", 1),
                           .width = c.hidden_size,
                           .inner = c.intermediate_size};
  const int dense = config.positive("intermediate_size_mlp", 16384);
  const std::vector<bool> sparse = read_mixture_layers(config, c.num_hidden_layers);
  mark_router_losses(config);
  config.mark_all_read({"for_llm_compressor", "layer_types"});
  spec.feed_forward = [sizes, dense, sparse, act = c.hidden_act](Weights& weights, const std::string& layer,
                                                                 std::size_t i) -> nn::FeedForward {
    const std::string at = layer + "feed_forward";
    if (!sparse[i]) return {.dense = take_gated_mlp(weights, at, sizes.width, dense, act)};
    nn::Mixture mixture{
        .router = weights.linear(at + ".router", sizes.experts, sizes.width, false),
        .routing = {
            .experts = sizes.experts, .chosen = sizes.chosen, .scores = graph::Routing::Scores::sigmoid}};
    mixture.experts = take_experts(weights, at + ".experts", sizes, act);
    mixture.experts.weigh_inputs = true;
    mixture.shared = take_gated_mlp(weights, at + ".shared_expert", sizes.width, sizes.inner, act);
    return {.mixture = std::move(mixture)};
  };
  return spec;
}

class Llama4 final : public Transformer {
 public:
  Llama4(Config& config, Weights& weights) : Transformer(describe(config), weights) {
    qk_norm_ = config.get<bool>("use_qk_norm", true);
    const int chunk = config.positive_or_none("attention_chunk_size");
    for (std::size_t i = 0; i < plan_.size(); ++i) plan_[i].chunk = rotates(i) ? chunk : 0;
    read_temperature(config);
  }

 private:
  void read_temperature(Config& config) {
    // A boolean, or a number in published configs.
    const Json* tuned = config.find("attn_temperature_tuning");
    tuned_ = tuned == nullptr || (tuned->is_boolean() ? tuned->get<bool>() : *tuned != 0);
    temperature_ = {.beta = config.get<float>("attn_scale", 0.1F),
                    .period = config.get<float>("floor_scale", 8192),
                    .offset = 1};
    if (!(temperature_.period > 0)) {
      fail(ErrorKind::corrupt, "{}: floor_scale is {}", config.subject(), temperature_.period);
    }
  }

  nn::Qkv prepare(Graph& g, std::size_t i, nn::Qkv x) const override {
    if (!rotates(i)) {
      if (tuned_) x.q = g.scale(x.q, temperature_);
      return x;
    }
    x = rotate(g, i, x);
    if (!qk_norm_) return x;
    const graph::Norm norm{.eps = c_.norm_eps, .run = c_.head_dim};
    return {g.rms_norm(x.q, norm), g.rms_norm(x.k, norm), x.v};
  }

  bool qk_norm_ = true;
  bool tuned_ = true;
  graph::PositionScale temperature_;
};

constexpr std::string_view model_types[] = {"llama4_text", "llama4"};

// As published: gate_up_proj [E, D, 2I] and down_proj [E, I, D].
constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::transpose,
     .pattern = ".experts.gate_up_proj",
     .to = ".experts.gate_up_proj.weight"},
    {.kind = formats::Rename::Kind::halves,
     .pattern = ".experts.gate_up_proj.weight",
     .to = ".experts.gate_proj.weight",
     .second = ".experts.up_proj.weight"},
    {.kind = formats::Rename::Kind::transpose,
     .pattern = ".experts.down_proj",
     .to = ".experts.down_proj.weight"},
};

}  // namespace

const Arch llama4_text_arch{
    .name = "llama4_text",
    .model_types = model_types,
    .summary = "Llama 4 Scout and Maverick, text",
    .caches = {.full = true, .sliding = true},
    .renames = renames,
    .build = build<Llama4>,
};

}  // namespace pome::models
