// Hunyuan 0.5B to 7B: Llama's block, q and k normalized per head behind the rotation, whose base `alpha`
// stretches. Follows transformers' models/hunyuan_v1_dense/modeling_hunyuan_v1_dense.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(config, {.norm_eps = 1e-5F}),
      .qk_norm = {.kind = QkNorm::Kind::shared, .q = "query_layernorm", .k = "key_layernorm"}};
  spec.attention_bias = read_attention_bias(config);
  if (!config.get<bool>("use_qk_norm", true)) {
    fail(ErrorKind::unsupported, "{}: use_qk_norm is false, which is not implemented; nothing was loaded",
         config.subject());
  }
  // About experts, other attentions and towers that dense text models do not have.
  config.mark_all_read({"attention_head_dim",
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
                        "routed_scaling_factor"});
  return spec;
}

class HunyuanV1Dense final : public Transformer {
 public:
  HunyuanV1Dense(Config& config, Weights& weights) : Transformer(describe(config), weights) {}

 private:
  nn::Qkv prepare(Graph& g, std::size_t i, nn::Qkv x) const override {
    return normalize(g, i, rotate(g, i, x));
  }
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
