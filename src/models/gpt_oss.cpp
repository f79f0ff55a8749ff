// gpt-oss: attention with sinks, every other layer sliding, and experts with a clamped gate. Follows
// transformers' models/gpt_oss/modeling_gpt_oss.py. Three layouts: MLX's with gate and up apart; published,
// gate and up row by row in turn as MXFP4, whose bytes are MLX's; and the same dense, transposed.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor sinks;  // [H]
  Tensor post_attention_norm;
  nn::Mixture mlp;
};

DecoderConfig read_config(Config& config) {
  return read_decoder_config(
      config, {.head_dim = 64, .max_position_embeddings = 131072, .rope_theta = 150000, .norm_eps = 1e-5F});
}

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

class GptOss final : public Decoder {
 public:
  GptOss(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const bool bias = config.get<bool>("attention_bias", true);
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                             .chosen = read_chosen(config),
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    const graph::Gating gating{.activation = graph::Activation::silu,
                               .limit = config.get<float>("swiglu_limit", 7),
                               .alpha = config.get<float>("swiglu_alpha", 1.702F)};
    const int window = config.find("sliding_window") == nullptr ? 0 : config.positive("sliding_window");
    const std::vector<bool> sliding =
        read_sliding_layers(config, c_.num_hidden_layers, [](int layer) { return layer % 2 == 0; });
    mark_router_losses(config);
    config.mark_read("initial_context_length");
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      plan_[i].window = sliding[i] ? window : 0;
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.sinks = weights.take(at + "self_attn.sinks", {c_.num_attention_heads});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp.router = weights.linear(at + "mlp.router", sizes.experts, c_.hidden_size, true);
      layer.mlp.routing = {.experts = sizes.experts,
                           .chosen = sizes.chosen,
                           .scores = graph::Routing::Scores::softmax_of_chosen};
      layer.mlp.experts = weights.contains(at + "mlp.experts.gate_proj.weight")
                              ? take_experts(weights, at + "mlp", sizes, graph::Activation::silu)
                              : take_published(weights, at + "mlp.experts", sizes);
      layer.mlp.experts.gating = gating;
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  static int read_chosen(Config& config) {
    config.mark_read("experts_per_token");  // as the published configs say it a second time
    return config.positive("num_experts_per_tok", 4);
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    graph::Attention attention = attention_of(i);
    attention.sinks = &layer.sinks;
    const Value a = g.attention(attention, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::mixture(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
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
