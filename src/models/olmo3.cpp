// OLMo 3: OLMo 2's block, three layers of four in a sliding window. A rope scaling is for the layers that see
// everything alone. Follows transformers' models/olmo3/modeling_olmo3.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

constexpr double default_theta = 500000;

// transformers takes rope_theta of the older form for full layers only and 500000 for sliding ones, mlx-lm
// for both; published configs say 500000.
TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.rope_theta = default_theta, .norm_eps = 1e-5F}),
                       .norms = norms_behind,
                       .qk_norm = {.kind = QkNorm::Kind::whole}};
  spec.attention_bias = read_attention_bias(config);
  spec.c.rope = read_rope(config, spec.c, {.theta = default_theta}, "full_attention");
  spec.sliding_rope = read_sliding_rope(config, spec.c, config.get<double>("rope_theta", default_theta));
  spec.windows =
      read_sliding_windows(config, spec.c.num_hidden_layers, config.positive("sliding_window", 4096),
                           [](int i) { return (i + 1) % 4 != 0; });
  return spec;
}

constexpr std::string_view model_types[] = {"olmo3"};

}  // namespace

const Arch olmo3_arch{
    .name = "olmo3",
    .model_types = model_types,
    .summary = "OLMo 3",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
