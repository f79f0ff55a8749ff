// Hunyuan 0.5B to 7B: Llama's block, q and k normalized per head behind the rotation, whose base `alpha`
// stretches. Follows transformers' models/hunyuan_v1_dense/modeling_hunyuan_v1_dense.py.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [C]
  Tensor k_norm;  // [C]
  Tensor post_attention_norm;
  nn::GatedMlp mlp;
};

class HunyuanV1Dense final : public Decoder {
 public:
  HunyuanV1Dense(Config& config, Weights& weights)
      : Decoder(read_decoder_config(config, {.norm_eps = 1e-5F}), weights) {
    const bool bias = config.get<bool>("attention_bias", false);
    if (!config.get<bool>("use_qk_norm", true)) {
      fail(ErrorKind::unsupported, "{}: use_qk_norm is false, which is not implemented; nothing was loaded",
           config.subject());
    }
    // About experts, other attentions and towers that dense text models do not have.
    for (const char* key : {"attention_head_dim",
                            "cla_share_factor",
                            "dense_list",
                            "enable_lm_head_fp32",
                            "norm_type",
                            "num_experts",
                            "num_shared_expert",
                            "num_media_embeds",
                            "org_vocab_size",
                            "use_rotary_pos_emb",
                            "class_num",
                            "pool_type",
                            "eod_token_id",
                            "sep_token_id",
                            "im_start_id",
                            "im_end_id",
                            "im_newline_id",
                            "text_start_id",
                            "text_end_id",
                            "image_token_id",
                            "video_start_id",
                            "video_end_id",
                            "mask_init_id",
                            "anyres_pooling_size",
                            "max_image_size",
                            "moe_topk",
                            "moe_intermediate_size",
                            "moe_layer_num_skipped",
                            "routed_scaling_factor"}) {
      config.mark_read(key);
    }
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {.qkv = bias, .o = bias});
      layer.q_norm = weights.take(at + "self_attn.query_layernorm.weight", {c_.head_dim});
      layer.k_norm = weights.take(at + "self_attn.key_layernorm.weight", {c_.head_dim});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    auto [q, k, v] = nn::project_qkv(g, layer.attention, g.rms_norm(x, layer.input_norm, c_.norm_eps));
    q = g.rms_norm(g.rope(q, c_.rope), layer.q_norm, c_.norm_eps);
    k = g.rms_norm(g.rope(k, c_.rope), layer.k_norm, c_.norm_eps);
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, v)));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"hunyuan_v1_dense"};

}  // namespace

const Arch hunyuan_v1_dense_arch{
    .name = "hunyuan_v1_dense",
    .model_types = model_types,
    .summary = "Hunyuan, dense",
    .caches = {.full = true},
    .renames = {},
    .build = build<HunyuanV1Dense>,
};

}  // namespace pome::models
