// Mixtral: Mistral's block with experts in the MLP's place. Follows transformers'
// models/mixtral/modeling_mixtral.py.
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

class Mixtral final : public Decoder {
 public:
  Mixtral(Config& config, Weights& weights)
      : Decoder(read_decoder_config(
                    config, {.max_position_embeddings = 131072, .rope_theta = 1e6, .norm_eps = 1e-5F}),
                weights) {
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                             .chosen = config.positive("num_experts_per_tok", 2),
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    const int window = config.find("sliding_window") == nullptr ? 0 : config.positive("sliding_window");
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = window;
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_mixture(weights, at + "mlp", sizes, c_.hidden_act, {.normalize = true});
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::mixture(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"mixtral"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::replace, .pattern = ".block_sparse_moe.", .to = ".mlp."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w1.", .to = ".gate_proj."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w2.", .to = ".down_proj."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w3.", .to = ".up_proj."},
};

}  // namespace

const Arch mixtral_arch{
    .name = "mixtral",
    .model_types = model_types,
    .summary = "Mixtral 8x7B and 8x22B",
    .caches = {.full = true, .sliding = true},
    .renames = renames,
    .build = build<Mixtral>,
};

}  // namespace pome::models
