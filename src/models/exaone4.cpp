// EXAONE 4: OLMo 2's order of norms, q and k normalized per head. Where some layers slide, only those are
// rotated. Follows transformers' models/exaone4/modeling_exaone4.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

// One of "LLLG", whose last letter is the layer that sees everything, or its length; 0 without a window.
int read_pattern(Config& config, int window) {
  const Json* pattern = config.find("sliding_window_pattern");
  if (pattern == nullptr || window == 0) return 4;
  return pattern->is_string() ? std::max(1, static_cast<int>(pattern->get<std::string>().size()))
                              : config.positive("sliding_window_pattern");
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.norm_eps = 1e-5F}),
                       .norms = norms_behind,
                       .qk_norm = {.kind = QkNorm::Kind::shared}};
  const int window = read_window_unless_null(config, 4096);
  const int pattern = read_pattern(config, window);
  spec.windows = read_sliding_windows(config, spec.c.num_hidden_layers, window,
                                      [&](int i) { return (i + 1) % pattern != 0; });
  if (window > 0) spec.rotated = sliding_layers(spec.windows);
  return spec;
}

constexpr std::string_view model_types[] = {"exaone4"};

}  // namespace

const Arch exaone4_arch{
    .name = "exaone4",
    .model_types = model_types,
    .summary = "EXAONE 4",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
