// ERNIE 4.5, dense: Llama's block, neighbours of a head paired for rotation. Follows transformers'
// models/ernie4_5/modeling_ernie4_5.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.head_dim = 128,
                                                         .max_position_embeddings = 131072,
                                                         .rope_theta = 500000,
                                                         .norm_eps = 1e-5F,
                                                         .tie_word_embeddings = true})};
  spec.c.rope.interleaved = true;
  const bool bias = config.get<bool>("use_bias", false);
  spec.attention_bias = {.qkv = bias, .o = bias};
  spec.mlp_bias = bias;
  // Of the training framework.
  config.mark_all_read({"compression_ratio", "use_rmsnorm", "weight_share_add_bias", "fuse_rope"});
  return spec;
}

constexpr std::string_view model_types[] = {"ernie4_5"};

}  // namespace

const Arch ernie4_5_arch{
    .name = "ernie4_5",
    .model_types = model_types,
    .summary = "ERNIE 4.5, dense",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
