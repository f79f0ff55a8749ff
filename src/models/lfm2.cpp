// LFM2: short gated convolutions, and attention in some layers; LFM2-MoE: experts behind the first layers.
// Follows transformers' models/lfm2/modeling_lfm2.py.
//
// h = x + operator(norm(x)), y = h + w2(silu(w1(norm(h))) · w3(norm(h))), where the operator is attention
// with q and k normalized per head, or out_proj(C · convolution(B · X)) with B, C and X from one projection.
#include "models/mixture.h"
#include "models/recurrent.h"
#include "models/registry.h"

namespace pome::models {
namespace {

// The checkpoints of Liquid spell some fields their own way.
DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.vocab_size = 65536,
                                                 .hidden_size = 2560,
                                                 .intermediate_size = 12288,
                                                 .num_hidden_layers = 32,
                                                 .num_attention_heads = 32,
                                                 .num_key_value_heads = 8,
                                                 .max_position_embeddings = 128000,
                                                 .rope_theta = 1000000,
                                                 .norm_eps_key = "norm_eps",
                                                 .norm_eps = 1e-5F,
                                                 .tie_word_embeddings = true});
  c.tie_word_embeddings = config.get<bool>("tie_embedding", c.tie_word_embeddings);
  if (c.model_type == "lfm2_moe") return c;
  c.intermediate_size = config.positive("block_ff_dim", c.intermediate_size);
  // Written beside the fields that count, or of training.
  for (const char* key : {"block_dim", "block_mlp_init_scale", "block_norm_eps", "block_out_init_scale",
                          "block_use_swiglu", "block_use_xavier_init", "conv_dim", "conv_dim_out",
                          "conv_use_xavier_init", "num_heads", "theta", "use_pos_enc"}) {
    config.mark_read(key);
  }
  const bool adjusted = config.get<bool>("block_auto_adjust_ff_dim", true);
  const double factor = config.get<double>("block_ffn_dim_multiplier", 1);
  const int multiple = config.positive("block_multiple_of", 256);
  if (adjusted) {
    const int thirds = static_cast<int>(2 * std::int64_t{c.intermediate_size} / 3);
    const double wanted = std::min(thirds * factor, double{1 << 24});
    c.intermediate_size = (static_cast<int>(wanted) + multiple - 1) / multiple * multiple;
  }
  return c;
}

std::vector<bool> read_attention_layers(Config& config, int num_hidden_layers) {
  std::vector<bool> attends(static_cast<std::size_t>(num_hidden_layers), true);
  const Json* indices = config.find("full_attn_idxs");
  if (config.find("layer_types") != nullptr) {
    const std::vector<std::string> kinds = read_layer_kinds(config, "layer_types", num_hidden_layers);
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (kinds[i] != "full_attention" && kinds[i] != "conv") {
        fail(ErrorKind::unsupported, "{}: layer_types[{}] \"{}\" is not implemented; nothing was loaded",
             config.subject(), i, kinds[i]);
      }
      attends[i] = kinds[i] == "full_attention";
    }
  } else if (indices != nullptr && indices->is_array()) {
    attends.assign(attends.size(), false);
    for (const Json& index : *indices) {
      const int i = json_as<int>(index, "full_attn_idxs");
      if (i >= 0 && i < num_hidden_layers) attends[static_cast<std::size_t>(i)] = true;
    }
  }
  return attends;
}

// Where there are no experts MLX keeps Liquid's names.
nn::FeedForward take_dense(Weights& weights, const DecoderConfig& c, const std::string& layer) {
  const std::string at = layer + "feed_forward.";
  return {.dense = nn::GatedMlp{.gate = weights.linear(at + "w1", c.intermediate_size, c.hidden_size, false),
                                .up = weights.linear(at + "w3", c.intermediate_size, c.hidden_size, false),
                                .down = weights.linear(at + "w2", c.hidden_size, c.intermediate_size, false),
                                .activation = c.hidden_act}};
}

MixtureSpec read_mixture(Config& config, const DecoderConfig& c) {
  MixtureSpec mixture{.module = "feed_forward"};
  const int dense_layers = config.get<int>("num_dense_layers", 2);
  for (int i = 0; i < c.num_hidden_layers; ++i) mixture.layers.push_back(i >= dense_layers);
  mixture.sizes = {.experts = config.positive("num_experts", 32),
                   .chosen = config.positive("num_experts_per_tok", 4),
                   .width = c.hidden_size,
                   .inner = config.positive("moe_intermediate_size", 1792)};
  mixture.routing = {.scores = graph::Routing::Scores::sigmoid,
                     .normalize = config.get<bool>("norm_topk_prob", true),
                     .epsilon = 1e-6F,
                     .scale = config.get<float>("routed_scaling_factor", 1)};
  if (config.get<bool>("use_expert_bias", true)) mixture.correction = "expert_bias";
  mark_router_losses(config);
  return mixture;
}

struct ShortConvolution {
  nn::LinearPtr in_proj;
  Tensor weight;
  std::optional<Tensor> bias;
  nn::LinearPtr out_proj;
  graph::Convolution convolution;
};

struct Layer {
  Tensor operator_norm;
  bool attends = false;
  nn::AttentionProjections attention;
  Tensor q_norm;   // [C]
  Tensor k_norm;   // [C]
  int cached = 0;  // attention's place in the plan
  ShortConvolution conv;
  Tensor ffn_norm;
  nn::FeedForward feed_forward;
};

class Lfm2 final : public Decoder {
 public:
  Lfm2(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const std::vector<bool> attends = read_attention_layers(config, c_.num_hidden_layers);
    const int kernel = config.positive("conv_L_cache", 3);
    const bool conv_bias = config.get<bool>("conv_bias", false);
    const bool experts = c_.model_type == "lfm2_moe";
    TakeFeedForward take = [this](Weights& w, const std::string& layer, std::size_t) {
      return take_dense(w, c_, layer);
    };
    if (experts) take = feed_forward(read_mixture(config, c_), c_);
    plan_.clear();
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.attends = attends[i];
      layer.operator_norm = weights.take(at + "operator_norm.weight", {c_.hidden_size});
      if (layer.attends) {
        take_attention_layer(weights, at + "self_attn.", layer);
      } else {
        take_convolution(weights, at + "conv.", kernel, conv_bias, layer.conv);
      }
      layer.ffn_norm = weights.take(at + "ffn_norm.weight", {c_.hidden_size});
      layer.feed_forward = take(weights, at, i);
    }
    norm_ = weights.take("model.embedding_norm.weight", {c_.hidden_size});
  }

 private:
  void take_attention_layer(Weights& weights, const std::string& at, Layer& layer) {
    layer.attention.q = weights.linear(at + "q_proj", c_.q_width(), c_.hidden_size, false);
    layer.attention.k = weights.linear(at + "k_proj", c_.kv_width(), c_.hidden_size, false);
    layer.attention.v = weights.linear(at + "v_proj", c_.kv_width(), c_.hidden_size, false);
    layer.attention.o = weights.linear(at + "out_proj", c_.hidden_size, c_.q_width(), false);
    layer.q_norm = weights.take(at + "q_layernorm.weight", {c_.head_dim});
    layer.k_norm = weights.take(at + "k_layernorm.weight", {c_.head_dim});
    layer.cached = add_slot(plan_, {.kv_heads = c_.num_key_value_heads, .head_dim = c_.head_dim});
  }

  void take_convolution(Weights& weights, const std::string& at, int kernel, bool bias,
                        ShortConvolution& conv) {
    conv.in_proj = weights.linear(at + "in_proj", 3 * c_.hidden_size, c_.hidden_size, bias);
    conv.weight = weights.take(at + "conv.weight", {c_.hidden_size, kernel, 1});
    if (bias) conv.bias = weights.take(at + "conv.bias", {c_.hidden_size});
    conv.out_proj = weights.linear(at + "out_proj", c_.hidden_size, c_.hidden_size, bias);
    conv.convolution.kernel = kernel;
    conv.convolution.layer = add_slot(plan_, {.state_size = conv.convolution.state_size(c_.hidden_size)});
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.operator_norm, c_.norm_eps);
    x = g.add(x, layer.attends ? attention(g, layer, h) : convolution(g, layer.conv, h));
    return g.add(x, nn::feed_forward(g, layer.feed_forward, g.rms_norm(x, layer.ffn_norm, c_.norm_eps)));
  }

  Value attention(Graph& g, const Layer& layer, Value h) const {
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), c_.rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), c_.rope);
    return g.linear(*layer.attention.o, attend(g, static_cast<std::size_t>(layer.cached), q, k, v));
  }

  Value convolution(Graph& g, const ShortConvolution& conv, Value h) const {
    const int width = c_.hidden_size;
    const Value all = g.linear(*conv.in_proj, h);
    const Value gated = g.multiply(g.columns(all, 0, width), g.columns(all, 2 * width, width));
    const Value mixed =
        g.convolution(conv.convolution, gated, conv.weight, conv.bias ? &*conv.bias : nullptr);
    return g.linear(*conv.out_proj, g.multiply(g.columns(all, width, width), mixed));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"lfm2", "lfm2_moe"};

bool has_experts(const Json& config) {
  return json_value<std::string>(config, "model_type", "") == "lfm2_moe";
}

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::taps, .pattern = ".conv.weight"},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w1.", .to = ".gate_proj.", .when = has_experts},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w2.", .to = ".down_proj.", .when = has_experts},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w3.", .to = ".up_proj.", .when = has_experts},
    {.kind = formats::Rename::Kind::stack,
     .pattern = ".feed_forward.experts.#.",
     .to = ".feed_forward.switch_mlp."},
};

}  // namespace

const Arch lfm2_arch{
    .name = "lfm2",
    .model_types = model_types,
    .summary = "LFM2: short convolutions and attention, dense or with experts",
    .caches = {.full = true, .state = true},
    .renames = renames,
    .build = build<Lfm2>,
};

}  // namespace pome::models
