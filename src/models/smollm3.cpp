// SmolLM3: Llama's block; every fourth layer is not rotated. Follows transformers'
// models/smollm3/modeling_smollm3.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config, {.max_position_embeddings = 32768, .rope_theta = 2e6, .tie_word_embeddings = true})};
  spec.attention_bias = read_attention_bias(config);
  spec.mlp_bias = config.get<bool>("mlp_bias", false);
  const int layers = spec.c.num_hidden_layers;
  spec.rotated = read_rotated_layers(config, layers);
  const int window = config.positive_or_none("sliding_window");
  const bool used = config.get<bool>("use_sliding_window", false);
  config.mark_read("max_window_layers");
  spec.windows = read_sliding_windows(config, layers, used ? window : 0,
                                      [&](int i) { return !spec.rotated[static_cast<std::size_t>(i)]; });
  return spec;
}

constexpr std::string_view model_types[] = {"smollm3"};

}  // namespace

const Arch smollm3_arch{
    .name = "smollm3",
    .model_types = model_types,
    .summary = "SmolLM3",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
