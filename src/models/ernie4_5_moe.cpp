// ERNIE 4.5 with mixtures of experts: ERNIE's block, and in a range of layers experts chosen by a corrected
// softmax, beside one that all rows use. Follows transformers' models/ernie4_5_moe; files for mlx-lm lack the
// correction, which it drops, and are run without it.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.max_position_embeddings = 131072,
                                                 .rope_theta = 500000,
                                                 .norm_eps = 1e-5F,
                                                 .tie_word_embeddings = true});
  c.rope.interleaved = true;
  return c;
}

class Ernie45Moe final : public Decoder {
 public:
  Ernie45Moe(Config& config, Weights& weights)
      : Decoder(read_config(config), weights, {.head_bias = config.get<bool>("use_bias", false)}) {
    const bool bias = config.get<bool>("use_bias", false);
    const MixtureSizes sizes{.experts = read_expert_count(config, "moe_num_experts", "num_experts"),
                             .chosen = config.positive("moe_k", 6),
                             .width = c_.hidden_size,
                             .inner = config.positive("moe_intermediate_size", 1536)};
    const int shared = config.get<int>("moe_num_shared_experts", 2);
    const int first = config.get<int>("moe_layer_start_index", 1);
    const int last = config.get<int>("moe_layer_end_index", -1);
    const int every = config.positive("moe_layer_interval", 1);
    for (const char* key : {"moe_norm_min", "moe_capacity", "moe_gate", "moe_gate_act", "moe_use_aux_free",
                            "compression_ratio", "use_rmsnorm", "weight_share_add_bias", "fuse_rope"}) {
      config.mark_read(key);
    }
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      const int index = static_cast<int>(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      if (index < first || (last >= 0 && index > last) || (index + 1) % every != 0) {
        layer.mlp.dense = take_gated_mlp(weights, at + "mlp", c_, bias);
        continue;
      }
      nn::Mixture mixture = take_mixture(weights, at + "mlp", sizes, c_.hidden_act, {.normalize = true});
      const std::string correction = at + "mlp.moe_statics.e_score_correction_bias";
      if (weights.contains(correction)) mixture.correction = weights.take(correction, {1, sizes.experts});
      if (shared > 0) {
        DecoderConfig of_shared = c_;
        of_shared.intermediate_size = shared * sizes.inner;
        mixture.shared = take_gated_mlp(weights, at + "mlp.shared_experts", of_shared, bias);
      }
      layer.mlp.mixture = std::move(mixture);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
    config.mark_read("num_nextn_predict_layers");
    weights.drop("model.mtp_*");
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::feed_forward(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"ernie4_5_moe"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::replace, .pattern = ".mlp.gate.moe_statics.", .to = ".mlp.moe_statics."},
};

}  // namespace

const Arch ernie4_5_moe_arch{
    .name = "ernie4_5_moe",
    .model_types = model_types,
    .summary = "ERNIE 4.5 with mixtures of experts",
    .caches = {.full = true},
    .renames = renames,
    .build = build<Ernie45Moe>,
};

}  // namespace pome::models
