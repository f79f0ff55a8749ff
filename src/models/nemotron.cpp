// Nemotron 4 and Minitron: layer norms whose weights are stored less one, a plain MLP with squared ReLU, half
// of each head rotated. Follows transformers' models/nemotron/modeling_nemotron.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 4096,
                                                         .partial_rotary_factor = 0.5,
                                                         .norm_eps_key = "norm_eps",
                                                         .norm_eps = 1e-5F,
                                                         .hidden_act = graph::Activation::relu_squared}),
                       .norm = {.kind = nn::Norm::Kind::layer, .bias = true, .weight_offset = 1}};
  const bool bias = config.get<bool>("attention_bias", false);
  const bool mlp_bias = config.get<bool>("mlp_bias", false);
  config.mark_all_read({"rope_percent", "rotary_percent"});
  spec.attention_bias = {.qkv = bias, .o = bias};
  spec.feed_forward = [c = spec.c, mlp_bias](Weights& weights, const std::string& at, std::size_t) {
    return nn::FeedForward{.plain = take_plain_mlp(weights, at + "mlp", "up_proj", "down_proj", c, mlp_bias)};
  };
  return spec;
}

constexpr std::string_view model_types[] = {"nemotron"};

}  // namespace

const Arch nemotron_arch{
    .name = "nemotron",
    .model_types = model_types,
    .summary = "Nemotron 4, Minitron",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
