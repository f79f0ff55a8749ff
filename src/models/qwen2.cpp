// Qwen2 and Qwen2.5: Llama's block with biases on q, k and v alone, and some layers' attention in a sliding
// window. Follows transformers' models/qwen2/modeling_qwen2.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config), .attention_bias = {.qkv = true}};
  spec.windows = read_layer_windows(config, spec.c.num_hidden_layers);
  return spec;
}

constexpr std::string_view model_types[] = {"qwen2"};

}  // namespace

const Arch qwen2_arch{
    .name = "qwen2",
    .model_types = model_types,
    .summary = "Qwen2, Qwen2.5 and models distilled into them",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
