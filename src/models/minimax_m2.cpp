// MiniMax M2: q and k normalized over all heads at once, half of each head rotated, and experts chosen by
// corrected sigmoids. Follows transformers' models/minimax_m2/modeling_minimax_m2.py.
#include "models/mixture.h"
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

// Published configs say how many elements are rotated, not which part of a head.
DecoderConfig read_config(Config& config) {
  DecoderConfig defaults{.head_dim = 128, .max_position_embeddings = 196608, .rope_theta = 5e6};
  if (config.find("rotary_dim") != nullptr) {
    defaults.partial_rotary_factor =
        static_cast<double>(config.positive("rotary_dim")) / config.positive("head_dim", defaults.head_dim);
  }
  return read_decoder_config(config, defaults);
}

// Keys that published configs carry with the one value that this is.
void check_variants(Config& config) {
  const auto expect = [&](const char* key, const Json& value) {
    const Json* found = config.find(key);
    if (found == nullptr || *found == value) return;
    fail(ErrorKind::unsupported, "{}: {} is {}, only {} is implemented; nothing was loaded", config.subject(),
         key, found->dump(), value.dump());
  };
  expect("scoring_func", "sigmoid");
  expect("use_qk_norm", true);
  expect("qk_norm_type", "per_layer");
  expect("use_routing_bias", true);
  expect("shared_intermediate_size", 0);
  config.mark_all_read({"attn_type_list", "layernorm_full_attention_beta", "layernorm_linear_attention_beta",
                        "layernorm_mlp_beta", "shared_moe_mode", "use_mtp", "num_mtp_modules",
                        "mtp_transformer_layers", "postnorm"});
}

TransformerSpec describe(Config& config) {
  TransformerSpec spec{.c = read_config(config), .qk_norm = {.kind = QkNorm::Kind::whole}};
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                                .chosen = config.positive("num_experts_per_tok", 8),
                                .width = spec.c.hidden_size,
                                .inner = spec.c.intermediate_size},
                      .routing = {.scores = graph::Routing::Scores::sigmoid, .normalize = true},
                      .module = "block_sparse_moe",
                      .correction = "e_score_correction_bias"};
  check_variants(config);
  mark_router_losses(config);
  spec.feed_forward = feed_forward(mixture, spec.c);
  return spec;
}

constexpr std::string_view model_types[] = {"minimax_m2", "minimax"};

constexpr auto renames =
    formats::joined(std::array{formats::Rename{.kind = formats::Rename::Kind::drop,
                                               .pattern = "model.mtp.*"}},  // further tokens
                    sparse_moe_experts);

}  // namespace

const Arch minimax_m2_arch{
    .name = "minimax_m2",
    .model_types = model_types,
    .summary = "MiniMax M2",
    .caches = {.full = true},
    .renames = renames,
    .build = build_transformer<describe>,
};

}  // namespace pome::models
