// Llama 1 to 3.x and what shares its block: Mistral 7B, TinyLlama, CodeLlama, SmolLM2, Yi, …
//
// h = x + attention(norm(x)); y = h + down(silu(gate(norm(h))) · up(norm(h))). Follows transformers'
// models/llama/modeling_llama.py, and models/mistral for the sliding window.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config)};
  spec.attention_bias = read_attention_bias(config);
  spec.mlp_bias = config.get<bool>("mlp_bias", false);
  if (spec.c.model_type == "mistral") spec.window_all_layers(read_window_unless_null(config, 4096));
  return spec;
}

constexpr std::string_view model_types[] = {"llama", "mistral"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::drop, .pattern = "*.rotary_emb.inv_freq"},  // buffers of old checkpoints
};

}  // namespace

const Arch llama_arch{
    .name = "llama",
    .model_types = model_types,
    .summary = "Llama 1 to 3.x, Mistral 7B, TinyLlama, CodeLlama, SmolLM2",
    .caches = {.full = true, .sliding = true},
    .meta_form = true,
    .renames = renames,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
