// Helium 1: Llama's block, neighbours of a head paired for rotation. Follows transformers'
// models/helium/modeling_helium.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config,
          {.head_dim = 128, .max_position_embeddings = 4096, .rope_theta = 100000, .norm_eps = 1e-8F})};
  spec.c.rope.interleaved = true;
  spec.attention_bias = {.qkv = config.get<bool>("attention_bias", false)};
  spec.mlp_bias = config.get<bool>("mlp_bias", false);
  return spec;
}

constexpr std::string_view model_types[] = {"helium"};

}  // namespace

const Arch helium_arch{
    .name = "helium",
    .model_types = model_types,
    .summary = "Helium 1",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
