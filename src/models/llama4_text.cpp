// Llama 4's text model: layers that rotate and see their own chunk only, between layers that do neither but
// see everything, with queries that grow with the position; experts whose inputs are weighed. Follows
// transformers' models/llama4/modeling_llama4.py (the norm of q and k takes the config's epsilon; mlx-lm's
// takes 1e-6).
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  bool rotates = true;
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(
      config, {.head_dim = 128, .max_position_embeddings = 131072, .rope_theta = 500000, .norm_eps = 1e-5F});
  c.rope.interleaved = true;
  return c;
}

// gate_up_proj [E, D, 2I] and down_proj [E, I, D], as published.
graph::Experts take_published(Weights& weights, const std::string& at, const MixtureSizes& sizes) {
  graph::Experts experts;
  experts.name = at;
  experts.count = sizes.experts;
  experts.fused = graph::Experts::Fused::halves;
  const auto take = [&](const char* part, int out, int in) {
    graph::Weight weight;
    weight.weight = nn::transposed(weights.take(at + part, {sizes.experts, in, out}));
    return graph::ExpertMatrices{{std::move(weight)}, {}};
  };
  experts.gate = take(".gate_up_proj", 2 * sizes.inner, sizes.width);
  experts.down = take(".down_proj", sizes.width, sizes.inner);
  return experts;
}

class Llama4 final : public Decoder {
 public:
  Llama4(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    qk_norm_ = config.get<bool>("use_qk_norm", true);
    const int dense = config.positive("intermediate_size_mlp", 16384);
    const int chunk = config.positive_or_none("attention_chunk_size");
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                             .chosen = config.positive("num_experts_per_tok", 1),
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    const graph::Routing routing{
        .experts = sizes.experts, .chosen = sizes.chosen, .scores = graph::Routing::Scores::sigmoid};
    const std::vector<bool> sparse = read_moe_layers(config);
    const std::vector<bool> rotates = read_rope_layers(config);
    read_temperature(config);
    mark_router_losses(config);
    for (const char* key : {"for_llm_compressor", "layer_types"}) config.mark_read(key);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].chunk = rotates[i] ? chunk : 0;
      Layer& layer = layers_.emplace_back();
      layer.rotates = rotates[i];
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      const std::string ff = at + "feed_forward";
      if (!sparse[i]) {
        layer.mlp.dense = take_gated_mlp(weights, ff, c_.hidden_size, dense, c_.hidden_act);
        continue;
      }
      nn::Mixture mixture;
      mixture.router = weights.linear(ff + ".router", sizes.experts, c_.hidden_size, false);
      mixture.routing = routing;
      mixture.experts = weights.contains(ff + ".experts.gate_up_proj")
                            ? take_published(weights, ff + ".experts", sizes)
                            : take_experts(weights, ff, sizes, c_.hidden_act);
      mixture.experts.gating.activation = c_.hidden_act;
      mixture.experts.weigh_inputs = true;
      mixture.shared =
          take_gated_mlp(weights, ff + ".shared_expert", c_.hidden_size, sizes.inner, c_.hidden_act);
      layer.mlp.mixture = std::move(mixture);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  std::vector<bool> read_moe_layers(Config& config) const {
    const int step = config.positive("interleave_moe_layer_step", 1);
    std::vector<bool> sparse;
    for (int i = 0; i < c_.num_hidden_layers; ++i) sparse.push_back((i + 1) % step == 0);
    const Json* listed = config.find("moe_layers");
    if (listed == nullptr) return sparse;
    if (!listed->is_array()) fail(ErrorKind::corrupt, "{}: moe_layers is no list", config.subject());
    sparse.assign(sparse.size(), false);
    for (const Json& entry : *listed) {
      const int layer = json_as<int>(entry, "moe_layers");
      if (layer >= 0 && layer < c_.num_hidden_layers) sparse[static_cast<std::size_t>(layer)] = true;
    }
    return sparse;
  }

  // `no_rope_layers` has a 1 for every layer that does rotate.
  std::vector<bool> read_rope_layers(Config& config) const {
    const int interval = config.positive("no_rope_layer_interval", 4);
    const Json* listed = config.find("no_rope_layers");
    std::vector<bool> rotates;
    for (int i = 0; i < c_.num_hidden_layers; ++i) rotates.push_back((i + 1) % interval != 0);
    if (listed == nullptr || listed->empty()) return rotates;
    if (!listed->is_array() || listed->size() != rotates.size()) {
      fail(ErrorKind::corrupt, "{}: no_rope_layers is no list of {} layers", config.subject(),
           rotates.size());
    }
    for (std::size_t i = 0; i < rotates.size(); ++i) {
      rotates[i] = json_as<int>((*listed)[i], "no_rope_layers") != 0;
    }
    return rotates;
  }

  void read_temperature(Config& config) {
    const Json* tuned =
        config.find("attn_temperature_tuning");  // a boolean, or a number in published configs
    tuned_ = tuned == nullptr || (tuned->is_boolean() ? tuned->get<bool>() : *tuned != 0);
    temperature_ = {.beta = config.get<float>("attn_scale", 0.1F),
                    .period = config.get<float>("floor_scale", 8192),
                    .offset = 1};
    if (!(temperature_.period > 0)) {
      fail(ErrorKind::corrupt, "{}: floor_scale is {}", config.subject(), temperature_.period);
    }
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, g.rms_norm(x, layer.input_norm, c_.norm_eps));
    if (layer.rotates) {
      q = g.rope(q, c_.rope);
      k = g.rope(k, c_.rope);
      if (qk_norm_) {
        q = g.rms_norm(q, {.eps = c_.norm_eps, .run = c_.head_dim});
        k = g.rms_norm(k, {.eps = c_.norm_eps, .run = c_.head_dim});
      }
    } else if (tuned_) {
      q = g.scale(q, temperature_);
    }
    graph::Attention attention = attention_of(i);
    attention.chunk = plan_[i].chunk;
    x = g.add(x, g.linear(*layer.attention.o, g.attention(attention, q, k, v)));
    return g.add(x, nn::feed_forward(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  bool qk_norm_ = true;
  bool tuned_ = true;
  graph::PositionScale temperature_;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"llama4_text"};

}  // namespace

const Arch llama4_text_arch{
    .name = "llama4_text",
    .model_types = model_types,
    .summary = "Llama 4 Scout and Maverick, text",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Llama4>,
};

}  // namespace pome::models
