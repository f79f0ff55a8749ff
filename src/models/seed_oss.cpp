// Seed-OSS: Llama's block with heads wider than their share, biases on q, k and v, and one on o if the config
// says so. Follows transformers' models/seed_oss/modeling_seed_oss.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  return {.c = read_decoder_config(config, {.head_dim = 128, .max_position_embeddings = 524288}),
          .attention_bias = {.qkv = config.get<bool>("attention_bias", true),
                             .o = config.get<bool>("attention_out_bias", false)},
          .mlp_bias = config.get<bool>("mlp_bias", false)};
}

constexpr std::string_view model_types[] = {"seed_oss"};

}  // namespace

const Arch seed_oss_arch{
    .name = "seed_oss",
    .model_types = model_types,
    .summary = "Seed-OSS",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
