// Qwen3-Next and the text model of Qwen3.5: gated delta nets, and in every fourth layer attention whose
// outputs are gated; experts or a gated feed-forward. Follows transformers' models/qwen3_next and
// models/qwen3_5.
//
// Norms are published as what is added to 1; the files that mlx-lm writes have the sum. Qwen3-Next has the
// delta net's projections as two, per key head; Qwen3.5 as four. Its rope has sections for pictures, which on
// text are all alike.
#include <algorithm>

#include "models/mixture.h"
#include "models/recurrent.h"
#include "models/registry.h"
#include "nn/gated_delta.h"

namespace pome::models {
namespace {

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.intermediate_size = 5632,
                                                 .head_dim = 256,
                                                 .max_position_embeddings = 32768,
                                                 .partial_rotary_factor = 0.25});
  // Heads that predict further tokens are not used; the state is always float32; sizes of experts stand in
  // the configs of dense models too.
  for (const char* key :
       {"attn_output_gate", "mamba_ssm_dtype", "moe_intermediate_size", "mtp_num_hidden_layers",
        "mtp_use_dedicated_embeddings", "norm_topk_prob", "num_experts_per_tok", "num_nextn_predict_layers",
        "shared_expert_intermediate_size"}) {
    config.mark_read(key);
  }
  mark_router_losses(config);
  return c;
}

std::vector<bool> read_attention_layers(Config& config, int num_hidden_layers) {
  const int interval = config.positive("full_attention_interval", 4);
  std::vector<bool> attends;
  if (config.find("layer_types") == nullptr) {
    for (int i = 1; i <= num_hidden_layers; ++i) attends.push_back(i % interval == 0);
    return attends;
  }
  for (const std::string& kind : read_layer_kinds(config, "layer_types", num_hidden_layers)) {
    if (kind != "full_attention" && kind != "linear_attention") {
      fail(ErrorKind::unsupported, "{}: layer_types has \"{}\", which is not implemented; nothing was loaded",
           config.subject(), kind);
    }
    attends.push_back(kind == "full_attention");
  }
  return attends;
}

graph::Recurrence read_recurrence(Config& config) {
  graph::Recurrence r = {.layer = 0,
                         .heads = config.positive("linear_num_value_heads", 32),
                         .key_heads = config.positive("linear_num_key_heads", 16),
                         .key_dim = config.positive("linear_key_head_dim", 128),
                         .value_dim = config.positive("linear_value_head_dim", 128),
                         .delta = true};
  const std::int64_t keys = std::int64_t{r.key_heads} * r.key_dim,
                     values = std::int64_t{r.heads} * r.value_dim;
  if (r.heads % r.key_heads != 0 || keys > 1 << 22 || values > 1 << 22) {
    fail(ErrorKind::corrupt, "{}: linear attention of {} heads of {} over {} key heads of {} makes no layer",
         config.subject(), r.heads, r.value_dim, r.key_heads, r.key_dim);
  }
  return r;
}

MixtureSpec read_mixture(Config& config, const DecoderConfig& c) {
  MixtureSpec mixture{.layers = read_sparse_layers(config, c.num_hidden_layers)};
  if (config.get<int>("num_experts", 0) == 0) mixture.layers.assign(mixture.layers.size(), false);
  if (std::find(mixture.layers.begin(), mixture.layers.end(), true) == mixture.layers.end()) return mixture;
  mixture.sizes = {.experts = config.positive("num_experts"),
                   .chosen = config.positive("num_experts_per_tok", 10),
                   .width = c.hidden_size,
                   .inner = config.positive("moe_intermediate_size", 512)};
  mixture.routing.normalize = config.get<bool>("norm_topk_prob", true);
  mixture.shared = "shared_expert";
  mixture.shared_inner = config.positive("shared_expert_intermediate_size", 512);
  mixture.shared_gate = true;
  return mixture;
}

struct Layer {
  Tensor input_norm;
  bool attends = false;
  nn::GatedDelta delta;
  nn::LinearPtr q;  // [D → H·2C]: per head q and the gate
  nn::LinearPtr k, v, o;
  Tensor q_norm;   // [C]
  Tensor k_norm;   // [C]
  int cached = 0;  // attention's place in the plan
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

class Qwen3Next final : public Decoder {
 public:
  Qwen3Next(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const std::vector<bool> attends = read_attention_layers(config, c_.num_hidden_layers);
    const graph::Recurrence recurrence = read_recurrence(config);
    const int kernel = config.positive("linear_conv_kernel_dim", 4);
    const bool bias = config.get<bool>("attention_bias", false);
    const TakeFeedForward take = feed_forward(read_mixture(config, c_), c_);
    plan_.clear();
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.attends = attends[i];
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      if (layer.attends) {
        take_gated_attention(weights, at + "self_attn", bias, layer);
      } else {
        layer.delta.recurrence = recurrence;
        layer.delta.convolution.kernel = kernel;
        take_delta(weights, at + "linear_attn", layer.delta);
      }
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take(weights, at, i);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
    norm_offset_ = weights.published() ? 1 : 0;
  }

 private:
  void take_delta(Weights& weights, const std::string& at, nn::GatedDelta& net) {
    const int heads = net.recurrence.heads, width = c_.hidden_size;
    if (weights.contains(at + ".in_proj_qkvz.weight")) {
      net.qkvz = weights.linear(at + ".in_proj_qkvz", net.convolved() + net.value_width(), width, false);
      net.ba = weights.linear(at + ".in_proj_ba", 2 * heads, width, false);
    } else {
      net.qkv = weights.linear(at + ".in_proj_qkv", net.convolved(), width, false);
      net.z = weights.linear(at + ".in_proj_z", net.value_width(), width, false);
      net.b = weights.linear(at + ".in_proj_b", heads, width, false);
      net.a = weights.linear(at + ".in_proj_a", heads, width, false);
    }
    net.conv_weight = weights.take(at + ".conv1d.weight", {net.convolved(), net.convolution.kernel, 1});
    net.dt_bias = weights.take(at + ".dt_bias", {heads});
    net.a_log = weights.take(at + ".A_log", {heads});
    net.norm = weights.take(at + ".norm.weight", {net.recurrence.value_dim});
    net.out_proj = weights.linear(at + ".out_proj", width, net.value_width(), false);
    net.norm_eps = c_.norm_eps;
    net.activation = c_.hidden_act;
    net.convolution.layer = add_slot(plan_, {.state_size = net.convolution.state_size(net.convolved())});
    net.recurrence.layer = add_slot(plan_, {.state_size = net.recurrence.state_size()});
  }

  void take_gated_attention(Weights& weights, const std::string& at, bool bias, Layer& layer) {
    layer.q = weights.linear(at + ".q_proj", 2 * c_.q_width(), c_.hidden_size, bias);
    layer.k = weights.linear(at + ".k_proj", c_.kv_width(), c_.hidden_size, bias);
    layer.v = weights.linear(at + ".v_proj", c_.kv_width(), c_.hidden_size, bias);
    layer.o = weights.linear(at + ".o_proj", c_.hidden_size, c_.q_width(), bias);
    layer.q_norm = weights.take(at + ".q_norm.weight", {c_.head_dim});
    layer.k_norm = weights.take(at + ".k_norm.weight", {c_.head_dim});
    layer.cached = add_slot(plan_, {.kv_heads = c_.num_key_value_heads, .head_dim = c_.head_dim});
  }

  Value normed(Graph& g, Value x, const Tensor& weight) const {
    return g.rms_norm(x, {.eps = c_.norm_eps, .weight = &weight, .weight_offset = norm_offset_});
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = normed(g, x, layer.input_norm);
    x = g.add(x, layer.attends ? attention(g, layer, h) : nn::gated_delta(g, layer.delta, h));
    return g.add(x, nn::feed_forward(g, layer.mlp, normed(g, x, layer.post_attention_norm)));
  }

  Value attention(Graph& g, const Layer& layer, Value h) const {
    const int head = c_.head_dim;
    const Value both = g.linear(*layer.q, h);
    const Value q = g.rope(normed(g, g.columns(both, 0, head, 2 * head), layer.q_norm), c_.rope);
    const Value k = g.rope(normed(g, g.linear(*layer.k, h), layer.k_norm), c_.rope);
    const Value a = attend(g, static_cast<std::size_t>(layer.cached), q, k, g.linear(*layer.v, h));
    const Value gate = g.activate(graph::Activation::sigmoid, g.columns(both, head, head, 2 * head));
    return g.linear(*layer.o, g.multiply(a, gate));
  }

  Value norm(Graph& g, Value x) const override { return normed(g, x, norm_); }

  std::vector<Layer> layers_;
  Tensor norm_;
  float norm_offset_ = 1;
};

constexpr std::string_view model_types[] = {"qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe",
                                            "qwen3_5_moe_text"};

constexpr auto renames = formats::joined(
    std::array{
        formats::Rename{.kind = formats::Rename::Kind::drop,
                        .pattern = "mtp.*"},  // heads that predict further tokens
        formats::Rename{.kind = formats::Rename::Kind::drop, .pattern = "model.visual.*"},
        formats::Rename{
            .kind = formats::Rename::Kind::prefix, .pattern = "model.language_model.", .to = "model."},
        formats::Rename{.kind = formats::Rename::Kind::prefix, .pattern = "language_model.", .to = ""},
        formats::Rename{.kind = formats::Rename::Kind::taps, .pattern = ".conv1d.weight"},
        formats::Rename{.kind = formats::Rename::Kind::add_one, .pattern = ".input_layernorm.weight"},
        formats::Rename{.kind = formats::Rename::Kind::add_one,
                        .pattern = ".post_attention_layernorm.weight"},
        formats::Rename{.kind = formats::Rename::Kind::add_one, .pattern = "model.norm.weight"},
        formats::Rename{.kind = formats::Rename::Kind::add_one, .pattern = ".q_norm.weight"},
        formats::Rename{.kind = formats::Rename::Kind::add_one, .pattern = ".k_norm.weight"},
    },
    mlp_experts);

}  // namespace

const Arch qwen3_next_arch{
    .name = "qwen3_next",
    .model_types = model_types,
    .summary = "Qwen3-Next, Qwen3.5: gated delta nets and attention, dense or with experts",
    .caches = {.full = true, .state = true},
    .renames = renames,
    .build = build<Qwen3Next>,
};

}  // namespace pome::models
