// OLMo 2: attention and MLP are normalized behind instead of before, q and k over their whole width. Follows
// transformers' models/olmo2/modeling_olmo2.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.norm_eps = 1e-5F}),
                       .norms = norms_behind,
                       .qk_norm = {.kind = QkNorm::Kind::whole}};
  spec.attention_bias = read_attention_bias(config);
  return spec;
}

constexpr std::string_view model_types[] = {"olmo2"};

}  // namespace

const Arch olmo2_arch{
    .name = "olmo2",
    .model_types = model_types,
    .summary = "OLMo 2",
    .caches = {.full = true},
    .renames = {},
    .build = build_transformer<describe>,
};

}  // namespace pome::models
