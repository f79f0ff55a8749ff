// Granite 4: Mamba-2 mixers, and attention in some layers, with Granite's constants on embeddings, attention,
// residuals and logits; experts beside a shared feed-forward, or that alone. Follows transformers'
// models/granitemoehybrid/modeling_granitemoehybrid.py.
#include "models/mixture.h"
#include "models/recurrent.h"
#include "models/registry.h"

namespace pome::models {
namespace {

Mamba2Config read_mamba(Config& config, const DecoderConfig& c) {
  const int heads = config.positive("mamba_n_heads", 128);
  const std::int64_t inner = std::int64_t{config.positive("mamba_expand", 2)} * c.hidden_size;
  const Json* head_dim = config.find("mamba_d_head");
  const bool derived = head_dim == nullptr || head_dim->is_string();
  const bool bias = config.get<bool>("mamba_proj_bias", false);
  config.mark_read("mamba_chunk_size");
  return {.num_heads = heads,
          .head_dim = derived ? static_cast<int>(std::clamp<std::int64_t>(inner / heads, 1, 1 << 24))
                              : config.positive("mamba_d_head"),
          .n_groups = config.positive("mamba_n_groups", 1),
          .state_size = config.positive("mamba_d_state", 256),
          .conv_kernel = config.positive("mamba_d_conv", 4),
          .conv_bias = config.get<bool>("mamba_conv_bias", true),
          .in_bias = bias,
          .out_bias = bias};
}

// transformers 5 says linear_attention and full_attention for what was mamba and attention.
std::vector<bool> read_attention_layers(Config& config, int num_hidden_layers) {
  std::vector<bool> attends(static_cast<std::size_t>(num_hidden_layers), false);
  const bool new_key = config.find("layers_block_type") != nullptr;
  if (!new_key && config.find("layer_types") == nullptr) return attends;
  const std::vector<std::string> kinds =
      read_layer_kinds(config, new_key ? "layers_block_type" : "layer_types", num_hidden_layers);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const bool mamba = kinds[i] == "mamba" || kinds[i] == "linear_attention";
    attends[i] = kinds[i] == "attention" || kinds[i] == "full_attention";
    if (!mamba && !attends[i]) {
      fail(ErrorKind::unsupported, "{}: layer_types[{}] \"{}\" is not implemented; nothing was loaded",
           config.subject(), i, kinds[i]);
    }
  }
  return attends;
}

bool read_has_rope(Config& config) {
  const auto type = config.get<std::string>("position_embedding_type", "nope");
  if (type != "rope" && type != "nope") {
    fail(ErrorKind::unsupported, "{}: position_embedding_type \"{}\" is not implemented; nothing was loaded",
         config.subject(), type);
  }
  return type == "rope";
}

struct Layer {
  Tensor input_norm;
  bool attends = false;
  nn::AttentionProjections attention;
  int cached = 0;  // attention's place in the plan
  nn::Mamba2 mixer;
  Tensor post_attention_norm;
  std::optional<nn::Mixture> mixture;
  nn::GatedMlp shared;
};

class GraniteMoeHybrid final : public Decoder {
 public:
  GraniteMoeHybrid(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.intermediate_size = 11008}), weights),
        has_rope_(read_has_rope(config)) {
    c_.embedding_scale = config.get<float>("embedding_multiplier", 1);
    residual_multiplier_ = config.get<float>("residual_multiplier", 1);
    c_.logits_scale = 1 / config.get<float>("logits_scaling", 1);
    c_.attention_scale = config.get<float>("attention_multiplier", 1);
    for (const char* key : {"init_method", "mlp_bias", "normalization_function", "rope_theta"}) {
      config.mark_read(key);
    }
    const bool bias = config.get<bool>("attention_bias", false);
    const std::vector<bool> attends = read_attention_layers(config, c_.num_hidden_layers);
    const Mamba2Config sizes = read_mamba(config, c_);
    plan_.clear();
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attends = attends[i];
      if (layer.attends) {
        layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
        layer.cached = add_slot(plan_, {.kv_heads = c_.num_key_value_heads, .head_dim = c_.head_dim});
      } else {
        layer.mixer = take_mamba2(weights, at + "mamba", c_.hidden_size, sizes, plan_);
        layer.mixer.norm_eps = c_.norm_eps;
        layer.mixer.activation = c_.hidden_act;
        read_time_step_limit(config, layer.mixer);
      }
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      take_feed_forward(weights, at, config, layer);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  // Gate and up as one, `input_linear`, or apart where there are no experts.
  void take_feed_forward(Weights& weights, const std::string& at, Config& config, Layer& layer) const {
    const int inner = config.positive("shared_intermediate_size", 1024);
    if (weights.contains(at + "shared_mlp.input_linear.weight")) {
      layer.shared.gate_up = weights.linear(at + "shared_mlp.input_linear", 2 * inner, c_.hidden_size, false);
      layer.shared.down = weights.linear(at + "shared_mlp.output_linear", c_.hidden_size, inner, false);
      layer.shared.activation = c_.hidden_act;
    } else {
      layer.shared = take_gated_mlp(weights, at + "mlp", c_.hidden_size, inner, c_.hidden_act);
    }
    mark_router_losses(config);
    const int experts = config.get<int>("num_local_experts", 8);
    const int chosen = config.get<int>("num_experts_per_tok", 2);
    if (experts == 0) return;
    const MixtureSizes sizes = {.experts = config.positive("num_local_experts", 8),
                                .chosen = std::max(chosen, 1),
                                .width = c_.hidden_size,
                                .inner = c_.intermediate_size};
    layer.mixture = take_mixture(weights, at + "block_sparse_moe", sizes, c_.hidden_act,
                                 {.scores = graph::Routing::Scores::softmax_of_chosen}, "router.layer");
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const Value mixed = layer.attends ? attention(g, layer, h) : nn::mamba2(g, layer.mixer, h);
    x = g.add(x, g.scale(mixed, residual_multiplier_));
    const Value f = g.rms_norm(x, layer.post_attention_norm, c_.norm_eps);
    Value y = nn::gated_mlp(g, layer.shared, f);
    if (layer.mixture) y = g.add(nn::mixture(g, *layer.mixture, f), y);
    return g.add(x, g.scale(y, residual_multiplier_));
  }

  Value attention(Graph& g, const Layer& layer, Value h) const {
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    if (has_rope_) {
      q = g.rope(q, c_.rope);
      k = g.rope(k, c_.rope);
    }
    return g.linear(*layer.attention.o, attend(g, static_cast<std::size_t>(layer.cached), q, k, v));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  bool has_rope_;
  float residual_multiplier_ = 1;
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"granitemoehybrid"};

bool is_dense(const Json& config) { return json_value<std::int64_t>(config, "num_local_experts", 8) == 0; }

// MLX has gate and up of the shared feed-forward apart where there are no experts.
constexpr auto renames = formats::joined(
    std::array{
        formats::Rename{.kind = formats::Rename::Kind::taps, .pattern = ".conv1d.weight"},
        formats::Rename{.kind = formats::Rename::Kind::halves,
                        .pattern = ".shared_mlp.input_linear.weight",
                        .to = ".mlp.gate_proj.weight",
                        .second = ".mlp.up_proj.weight",
                        .when = is_dense},
        formats::Rename{.kind = formats::Rename::Kind::replace,
                        .pattern = ".shared_mlp.output_linear.",
                        .to = ".mlp.down_proj.",
                        .when = is_dense},
    },
    granite_experts);

}  // namespace

const Arch granitemoehybrid_arch{
    .name = "granitemoehybrid",
    .model_types = model_types,
    .summary = "Granite 4: Mamba-2 and attention, dense or with experts",
    .caches = {.full = true, .state = true},
    .renames = renames,
    .build = build<GraniteMoeHybrid>,
};

}  // namespace pome::models
