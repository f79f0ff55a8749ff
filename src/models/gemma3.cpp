// Gemma 3, its text model: Gemma's norms around attention and MLP alike (before and behind), q and k
// normalized per head, five layers in a sliding window for each that sees everything. Sliding layers are
// rotated by a base of their own and never scaled. Follows transformers' models/gemma3/modeling_gemma3.py.
#include <cmath>
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.vocab_size = 262208,
                                                         .hidden_size = 2304,
                                                         .intermediate_size = 9216,
                                                         .num_hidden_layers = 26,
                                                         .num_attention_heads = 8,
                                                         .num_key_value_heads = 4,
                                                         .head_dim = 256,
                                                         .max_position_embeddings = 131072,
                                                         .rope_theta = 1e6,
                                                         .tie_word_embeddings = true}),
                       .norm = {.weight_offset = 1},
                       .norms = norms_around,
                       .qk_norm = {.kind = QkNorm::Kind::shared}};
  DecoderConfig& c = spec.c;
  c.rope = read_rope(config, c, {.theta = 1e6}, "full_attention");
  c.hidden_act = read_hidden_activation(config, graph::Activation::gelu_tanh);
  c.attention_scale = static_cast<float>(1 / std::sqrt(config.get<double>("query_pre_attn_scalar", 256)));
  c.embedding_scale = std::sqrt(static_cast<float>(c.hidden_size));
  c.logits_soft_cap = config.get<float>("final_logit_softcapping", 0);
  config.mark_read("attn_logit_softcapping");  // of Gemma 2; transformers reads and ignores it here
  spec.attention_bias = read_attention_bias(config);
  const int pattern = config.positive("sliding_window_pattern", 6);
  config.mark_read("_sliding_window_pattern");
  spec.windows = read_sliding_windows(config, c.num_hidden_layers, config.positive("sliding_window", 4096),
                                      [pattern](int i) { return (i + 1) % pattern != 0; });
  // In configs before transformers 5 the base of sliding layers has a key of its own.
  spec.sliding_rope = read_sliding_rope(config, c, config.get<double>("rope_local_base_freq", 10000));
  return spec;
}

constexpr std::string_view model_types[] = {"gemma3_text", "gemma3"};

}  // namespace

const Arch gemma3_arch{
    .name = "gemma3",
    .model_types = model_types,
    .summary = "Gemma 3, text",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
