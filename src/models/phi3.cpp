// Phi 3, 3.5 and 4: Llama's block with fused projections, partly rotated heads and longrope. Follows
// transformers' models/phi3/modeling_phi3.py. Its long factors begin behind the original context (mlx-lm
// applies them always); a sequence is given those of its planned length from the first token on.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_decoder_config(config, {.max_position_embeddings = 4096,
                                                         .original_max_position_embeddings = 4096,
                                                         .norm_eps = 1e-5F})};
  config.mark_all_read({"img_processor", "embd_layer", "num_img_tokens"});  // Phi-3-vision's tower
  // Phi-4-mini has them, its published code reads them nowhere.
  config.mark_all_read({"full_attn_mod", "interpolate_factor"});
  spec.window_all_layers(config.positive_or_none("sliding_window"));
  return spec;
}

constexpr std::string_view model_types[] = {"phi3", "phi3_v"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::drop, .pattern = "model.vision_embed_tokens.*"},  // Phi-3-vision's tower
    {.kind = formats::Rename::Kind::drop, .pattern = "vision_embed_tokens.*"},
    {.kind = formats::Rename::Kind::drop, .pattern = "*.rotary_emb.inv_freq"},
};

}  // namespace

const Arch phi3_arch{
    .name = "phi3",
    .model_types = model_types,
    .summary = "Phi 3, 3.5, 4; Phi-3-vision, text",
    .caches = {.full = true, .sliding = true},
    .renames = renames,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
