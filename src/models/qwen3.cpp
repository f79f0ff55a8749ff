// Qwen3: Qwen2's block with q and k normalized per head before they are rotated. Follows transformers'
// models/qwen3/modeling_qwen3.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.head_dim = 128}),
                       .qk_norm = {.kind = QkNorm::Kind::shared}};
  spec.attention_bias = read_attention_bias(config);
  spec.windows = read_layer_windows(config, spec.c.num_hidden_layers);
  return spec;
}

constexpr std::string_view model_types[] = {"qwen3"};

}  // namespace

const Arch qwen3_arch{
    .name = "qwen3",
    .model_types = model_types,
    .summary = "Qwen3, dense",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
