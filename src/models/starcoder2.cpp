// StarCoder2: layer norms with biases, biases everywhere, a plain MLP, all layers in one sliding window.
// Follows transformers' models/starcoder2/modeling_starcoder2.py (mlx-lm ignores the window and the tanh form
// of GELU).
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 4096,
                                                         .norm_eps_key = "norm_epsilon",
                                                         .norm_eps = 1e-5F,
                                                         .tie_word_embeddings = true,
                                                         .hidden_act = graph::Activation::gelu_tanh}),
                       .norm = biased_layer_norm};
  const bool bias = config.get<bool>("use_bias", true);
  config.mark_all_read({"activation_function", "attention_softmax_in_fp32", "layer_norm_epsilon", "mlp_type",
                        "norm_type", "scale_attention_softmax_in_fp32", "scale_attn_weights"});
  spec.attention_bias = {.qkv = bias, .o = bias};
  spec.window_all_layers(config.positive_or_none("sliding_window"));
  spec.feed_forward = [c = spec.c, bias](Weights& weights, const std::string& at, std::size_t) {
    return nn::FeedForward{.plain = take_plain_mlp(weights, at + "mlp", "c_fc", "c_proj", c, bias)};
  };
  return spec;
}

constexpr std::string_view model_types[] = {"starcoder2"};

}  // namespace

const Arch starcoder2_arch{
    .name = "starcoder2",
    .model_types = model_types,
    .summary = "StarCoder2",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
