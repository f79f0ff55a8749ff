// Gemma 1: Llama's block with wide heads, norms whose weights are stored less one, and embeddings times the
// root of their width. The gate is always the tanh form of GELU, whatever `hidden_act` says, as in
// transformers' models/gemma/modeling_gemma.py (mlx-lm computes the exact form).
#include <cmath>

#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config, {.head_dim = 256, .max_position_embeddings = 8192, .tie_word_embeddings = true}),
      .norm = {.weight_offset = 1}};
  config.mark_read("hidden_activation");
  spec.c.hidden_act = graph::Activation::gelu_tanh;
  spec.c.embedding_scale = std::sqrt(static_cast<float>(spec.c.hidden_size));
  spec.attention_bias = read_attention_bias(config);
  return spec;
}

constexpr std::string_view model_types[] = {"gemma"};

}  // namespace

const Arch gemma_arch{
    .name = "gemma",
    .model_types = model_types,
    .summary = "Gemma 1, CodeGemma",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
