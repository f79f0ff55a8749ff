// Nemotron-H and Nemotron 3: every layer is one of a Mamba-2 mixer, attention without rope, a feed-forward
// with squared relu, or experts of that kind beside a shared one. Follows transformers'
// models/nemotron_h/modeling_nemotron_h.py.
//
// Time steps: transformers raises them to time_step_min in whole passes and not when it decodes; NVIDIA's own
// code and mlx-lm keep them within time_step_limit, as here. Biases of attention and tied embeddings:
// transformers has neither, whatever the config says, the others both; here the tensors decide.
#include "models/mixture.h"
#include "models/recurrent.h"
#include "models/registry.h"

namespace pome::models {
namespace {

enum class Kind : std::uint8_t { mamba, attention, mlp, experts };

// From `hybrid_override_pattern` (M, *, - and E) or `layers_block_type`.
std::vector<Kind> read_kinds(Config& config) {
  const Json* pattern = config.find("hybrid_override_pattern");
  const Json* listed = nullptr;
  for (const char* key : {"layers_block_type", "layer_types"}) {
    if (const Json* found = config.find(key); listed == nullptr) listed = found;
  }
  std::vector<std::string> words;
  if (listed != nullptr && listed->is_array()) {
    for (const Json& word : *listed) words.push_back(json_as<std::string>(word, "layers_block_type"));
  } else if (pattern != nullptr && pattern->is_string()) {
    for (const char letter : pattern->get<std::string>()) words.emplace_back(1, letter);
  } else if (pattern != nullptr && pattern->is_array()) {
    for (const Json& word : *pattern) words.push_back(json_as<std::string>(word, "hybrid_override_pattern"));
  }
  if (words.empty() || words.size() > 1 << 16) {
    fail(ErrorKind::corrupt, "{}: neither hybrid_override_pattern nor layers_block_type lists the layers",
         config.subject());
  }
  std::vector<Kind> kinds;
  for (const std::string& word : words) {
    if (word == "M" || word == "mamba" || word == "linear_attention") {
      kinds.push_back(Kind::mamba);
    } else if (word == "*" || word == "attention" || word == "full_attention") {
      kinds.push_back(Kind::attention);
    } else if (word == "-" || word == "mlp") {
      kinds.push_back(Kind::mlp);
    } else if (word == "E" || word == "moe") {
      kinds.push_back(Kind::experts);
    } else {
      fail(ErrorKind::unsupported, "{}: a layer of kind \"{}\" is not implemented; nothing was loaded",
           config.subject(), word);
    }
  }
  return kinds;
}

DecoderConfig read_config(Config& config, const Weights& weights, std::size_t layers) {
  DecoderConfig c = read_decoder_config(config, {.vocab_size = 131072,
                                                 .hidden_size = 4096,
                                                 .intermediate_size = 21504,
                                                 .num_hidden_layers = static_cast<int>(layers),
                                                 .num_attention_heads = 32,
                                                 .num_key_value_heads = 8,
                                                 .head_dim = config.positive("attention_head_dim", 128),
                                                 .max_position_embeddings = 4096,
                                                 .norm_eps_key = "layer_norm_epsilon",
                                                 .norm_eps = 1e-5F});
  c.num_hidden_layers = static_cast<int>(layers);
  if (weights.contains("lm_head.weight")) c.tie_word_embeddings = false;
  // For training, for kernels and caches of others, or said by other fields; no rope is applied.
  for (const char* key : {"chunk_size",
                          "expand",
                          "mamba_chunk_size",
                          "mamba_ssm_cache_dtype",
                          "moe_shared_expert_overlap",
                          "mtp_hybrid_override_pattern",
                          "mtp_layers_block_type",
                          "num_nextn_predict_layers",
                          "num_logits_to_keep",
                          "n_shared_experts",
                          "rescale_prenorm_residual",
                          "residual_in_fp32",
                          "rms_norm_eps",
                          "norm_eps",
                          "sliding_window",
                          "time_step_floor",
                          "time_step_max",
                          "time_step_min",
                          "time_step_rank",
                          "use_mamba_kernels",
                          "mamba_proj_bias",
                          "layer_norm_epsilon"}) {
    config.mark_read(key);
  }
  return c;
}

graph::Activation read_activation(Config& config, const char* key, const char* otherwise) {
  const auto name = config.get<std::string>(key, otherwise);
  const auto activation = nn::activation_from_name(name);
  if (!activation) {
    fail(ErrorKind::unsupported, "{}: {} \"{}\" is not implemented; nothing was loaded", config.subject(),
         key, name);
  }
  return *activation;
}

struct Experts {
  nn::LinearPtr router;
  Tensor correction;  // [E]
  graph::Experts experts;
  nn::LinearPtr into_latent, out_of_latent;  // null without
  nn::PlainMlp shared;
};

struct Layer {
  Kind kind = Kind::mamba;
  Tensor norm;
  nn::Mamba2 mixer;
  nn::AttentionProjections attention;
  int cached = 0;  // attention's place in the plan
  nn::PlainMlp mlp;
  Experts experts;
};

class NemotronH final : public Decoder {
 public:
  NemotronH(Config& config, Weights& weights) : NemotronH(config, weights, read_kinds(config)) {}

 private:
  NemotronH(Config& config, Weights& weights, const std::vector<Kind>& kinds)
      : Decoder(read_config(config, weights, kinds.size()), weights, {.embedding = "backbone.embeddings"}) {
    act_ = read_activation(config, "mlp_hidden_act", "relu2");
    mlp_bias_ = config.get<bool>("mlp_bias", false);
    const bool bias = config.get<bool>("use_bias", false);
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const Mamba2Config sizes = {.num_heads = config.positive("mamba_num_heads", 128),
                                .head_dim = config.positive("mamba_head_dim", 64),
                                .n_groups = config.positive("n_groups", 8),
                                .state_size = config.positive("ssm_state_size", 128),
                                .conv_kernel = config.positive("conv_kernel", 4),
                                .conv_bias = config.get<bool>("use_conv_bias", true),
                                .in_bias = bias,
                                .out_bias = bias};
    const graph::Activation mamba_act = read_activation(config, "mamba_hidden_act", "silu");
    read_routing(config);
    plan_.clear();
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = fmt::format("backbone.layers.{}.", i);
      Layer& layer = layers_.emplace_back();
      layer.kind = kinds[i];
      layer.norm = weights.take(at + "norm.weight", {c_.hidden_size});
      switch (layer.kind) {
        case Kind::mamba:
          layer.mixer = take_mamba2(weights, at + "mixer", c_.hidden_size, sizes, plan_);
          layer.mixer.norm_eps = c_.norm_eps;
          layer.mixer.activation = mamba_act;
          read_time_step_limit(config, layer.mixer);
          break;
        case Kind::attention:
          layer.attention =
              take_attention(weights, at + "mixer", c_,
                             {.qkv = attention_bias && weights.contains(at + "mixer.q_proj.bias"),
                              .o = attention_bias && weights.contains(at + "mixer.o_proj.bias")});
          layer.cached = add_slot(plan_, {.kv_heads = c_.num_key_value_heads, .head_dim = c_.head_dim});
          break;
        case Kind::mlp:
          layer.mlp = take_plain_mlp(weights, at + "mixer", c_.intermediate_size);
          break;
        case Kind::experts:
          take_experts_layer(weights, at + "mixer", layer.experts);
          break;
      }
    }
    norm_ = weights.take("backbone.norm_f.weight", {c_.hidden_size});
  }

  void read_routing(Config& config) {
    const int local = config.positive("num_local_experts", 8);
    routing_.experts = config.positive("n_routed_experts", local);
    routing_.chosen = config.positive("num_experts_per_tok", 2);
    routing_.scores = graph::Routing::Scores::sigmoid;
    routing_.groups = config.positive("n_group", 1);
    routing_.chosen_groups = config.positive("topk_group", 1);
    routing_.group_best = 2;
    routing_.normalize = config.get<bool>("norm_topk_prob", true);
    routing_.epsilon = 1e-20F;
    routing_.scale = static_cast<float>(config.get<double>("routed_scaling_factor", 1));
    inner_ = config.positive("moe_intermediate_size", 7688);
    shared_inner_ = config.positive("moe_shared_expert_intermediate_size", 7688);
    latent_ = config.find("moe_latent_size") == nullptr ? 0 : config.positive("moe_latent_size");
    mark_router_losses(config);
  }

  nn::PlainMlp take_plain_mlp(Weights& weights, const std::string& at, int inner) const {
    return {.up = weights.linear(at + ".up_proj", inner, c_.hidden_size, mlp_bias_),
            .down = weights.linear(at + ".down_proj", c_.hidden_size, inner, mlp_bias_),
            .activation = act_};
  }

  void take_experts_layer(Weights& weights, const std::string& at, Experts& layer) const {
    const int count = routing_.experts, width = latent_ > 0 ? latent_ : c_.hidden_size;
    layer.router = weights.linear(at + ".gate", count, c_.hidden_size, false);
    layer.correction = weights.take(at + ".gate.e_score_correction_bias", {count});
    layer.experts.name = at + ".experts";
    layer.experts.count = count;
    layer.experts.gating.activation = act_;
    layer.experts.gate = weights.stack(at + ".switch_mlp.fc1", count, inner_, width);
    layer.experts.down = weights.stack(at + ".switch_mlp.fc2", count, width, inner_);
    if (latent_ > 0) {
      layer.into_latent = weights.linear(at + ".fc1_latent_proj", latent_, c_.hidden_size, mlp_bias_);
      layer.out_of_latent = weights.linear(at + ".fc2_latent_proj", c_.hidden_size, latent_, mlp_bias_);
    }
    layer.shared = take_plain_mlp(weights, at + ".shared_experts", shared_inner_);
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    return g.add(x, mixed(g, layer, g.rms_norm(x, layer.norm, c_.norm_eps)));
  }

  Value mixed(Graph& g, const Layer& layer, Value h) const {
    switch (layer.kind) {
      case Kind::mamba:
        return nn::mamba2(g, layer.mixer, h);
      case Kind::attention: {
        const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
        return g.linear(*layer.attention.o, attend(g, static_cast<std::size_t>(layer.cached), q, k, v));
      }
      case Kind::mlp:
        return nn::plain_mlp(g, layer.mlp, h);
      case Kind::experts:
        break;
    }
    const Experts& e = layer.experts;
    graph::Routing routing = routing_;
    routing.correction = &e.correction;
    const Value routes = g.route(routing, g.linear(*e.router, h));
    Value y = g.experts(e.experts, e.into_latent ? g.linear(*e.into_latent, h) : h, routes);
    if (e.out_of_latent) y = g.linear(*e.out_of_latent, y);
    return g.add(y, nn::plain_mlp(g, e.shared, h));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  graph::Activation act_ = graph::Activation::relu_squared;
  bool mlp_bias_ = false;
  graph::Routing routing_;
  int inner_ = 0, shared_inner_ = 0, latent_ = 0;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"nemotron_h"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::drop, .pattern = "mtp.*"},  // heads that predict further tokens
    {.kind = formats::Rename::Kind::prefix, .pattern = "model.", .to = "backbone."},
    {.kind = formats::Rename::Kind::taps, .pattern = ".conv1d.weight"},
    {.kind = formats::Rename::Kind::stack,
     .pattern = ".mixer.experts.#.up_proj.",
     .to = ".mixer.switch_mlp.fc1."},
    {.kind = formats::Rename::Kind::stack,
     .pattern = ".mixer.experts.#.down_proj.",
     .to = ".mixer.switch_mlp.fc2."},
    // As transformers 5 has them in memory.
    {.kind = formats::Rename::Kind::replace,
     .pattern = ".mixer.experts.up_proj",
     .to = ".mixer.switch_mlp.fc1.weight"},
    {.kind = formats::Rename::Kind::replace,
     .pattern = ".mixer.experts.down_proj",
     .to = ".mixer.switch_mlp.fc2.weight"},
};

}  // namespace

const Arch nemotron_h_arch{
    .name = "nemotron_h",
    .model_types = model_types,
    .summary = "Nemotron-H, Nemotron 3: Mamba-2, attention, experts",
    .caches = {.full = true, .state = true},
    .renames = renames,
    .build = build<NemotronH>,
};

}  // namespace pome::models
