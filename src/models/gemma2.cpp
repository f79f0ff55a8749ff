// Gemma 2: Gemma's norms around attention and MLP alike (before and behind), every other layer in a sliding
// window, soft caps on attention's scores and on the logits. Follows transformers'
// models/gemma2/modeling_gemma2.py (mlx-lm ignores the window).
#include <cmath>
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

// null: no cap.
float read_cap(Config& config, std::string_view key, float otherwise) {
  const bool null = config.json().contains(key) && config.find(key) == nullptr;
  return null ? 0 : config.get<float>(key, otherwise);
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config, {.head_dim = 256, .max_position_embeddings = 8192, .tie_word_embeddings = true}),
      .norm = {.weight_offset = 1},
      .norms = norms_around};
  DecoderConfig& c = spec.c;
  c.hidden_act = read_hidden_activation(config, graph::Activation::gelu_tanh);
  c.attention_scale = static_cast<float>(1 / std::sqrt(config.get<double>("query_pre_attn_scalar", 256)));
  c.embedding_scale = std::sqrt(static_cast<float>(c.hidden_size));
  c.logits_soft_cap = read_cap(config, "final_logit_softcapping", 30);
  spec.attention_bias = read_attention_bias(config);
  config.mark_read("sliding_window_size");
  spec.windows = read_sliding_windows(config, c.num_hidden_layers, config.positive("sliding_window", 4096),
                                      [](int i) { return i % 2 == 0; });
  return spec;
}

class Gemma2 final : public Transformer {
 public:
  Gemma2(Config& config, Weights& weights)
      : Transformer(describe(config), weights), soft_cap_(read_cap(config, "attn_logit_softcapping", 50)) {}

 private:
  graph::Attention attention_of(std::size_t layer) const override {
    graph::Attention spec = Decoder::attention_of(layer);
    spec.soft_cap = soft_cap_;
    return spec;
  }

  float soft_cap_;
};

constexpr std::string_view model_types[] = {"gemma2"};

}  // namespace

const Arch gemma2_arch{
    .name = "gemma2",
    .model_types = model_types,
    .summary = "Gemma 2",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Gemma2>,
};

}  // namespace pome::models
