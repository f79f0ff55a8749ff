// Command R and its successors: attention and MLP side by side behind one layer norm without bias, neighbours
// of a head paired for rotation, logits times a constant. R+ normalizes every head of q and k with weights of
// its own; Command R7B and A have three layers of four in a sliding window and rotated, the fourth neither.
// Follows transformers' models/cohere/modeling_cohere.py and models/cohere2/modeling_cohere2.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe_both(Config& config, double rope_theta) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 8192,
                                                         .rope_theta = rope_theta,
                                                         .norm_eps_key = "layer_norm_eps",
                                                         .norm_eps = 1e-5F,
                                                         .tie_word_embeddings = true}),
                       .attention_bias = read_attention_bias(config),
                       .norm = layer_norm,
                       .norms = {.before_mlp = {}},
                       .parallel = true};
  spec.c.rope.interleaved = true;
  spec.c.logits_scale = config.get<float>("logit_scale", 0.0625F);
  return spec;
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec = describe_both(config, 500000);
  if (config.get<bool>("use_qk_norm", false)) spec.qk_norm.kind = QkNorm::Kind::per_head;
  return spec;
}

TransformerSpec describe_second(Config& config) {
  TransformerSpec spec = describe_both(config, 10000);
  const int pattern = config.positive("sliding_window_pattern", 4);
  config.mark_all_read({"use_qk_norm", "order_of_interleaved_layers", "rotary_pct", "position_embedding_type",
                        "use_embedding_sharing", "use_gated_activation", "use_parallel_block",
                        "use_parallel_embedding", "layer_switch", "_sliding_window_pattern"});
  spec.windows =
      read_sliding_windows(config, spec.c.num_hidden_layers, config.positive("sliding_window", 4096),
                           [pattern](int i) { return (i + 1) % pattern != 0; });
  spec.rotated = sliding_layers(spec.windows);
  return spec;
}

constexpr std::string_view first_types[] = {"cohere"};
constexpr std::string_view second_types[] = {"cohere2"};

}  // namespace

const Arch cohere_arch{
    .name = "cohere",
    .model_types = first_types,
    .summary = "Command R, R+, Aya",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

const Arch cohere2_arch{
    .name = "cohere2",
    .model_types = second_types,
    .summary = "Command R7B, Command A",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe_second>,
};

}  // namespace pome::models
