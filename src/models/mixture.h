// Experts in the layouts that checkpoints have them in.
#pragma once

#include "models/config.h"
#include "models/weights.h"
#include "nn/mixture.h"

namespace pome::models {

// What a family's mixtures are alike in.
struct MixtureSizes {
  int experts = 0;
  int chosen = 0;
  int width = 0;  // D
  int inner = 0;  // I
};

// The experts of <at>: stacked as MLX's uploads have them (<at>.switch_mlp, <at>.experts or
// <at>.experts.switch_glu, .gate_proj, .up_proj and .down_proj [E, …]), one by one as published
// (<at>.experts.<e>.gate_proj …), or gate and up as one stack (<at>.experts.gate_up_proj [E, 2I, D]).
// Throws as Weights does.
graph::Experts take_experts(Weights& weights, const std::string& at, const MixtureSizes& sizes,
                            graph::Activation activation);

// Router <at>.<router> and experts of <at>; `routing` gets the numbers of `sizes`.
nn::Mixture take_mixture(Weights& weights, const std::string& at, const MixtureSizes& sizes,
                         graph::Activation activation, graph::Routing routing,
                         const std::string& router = "gate");

// <at>.gate_proj, .up_proj and .down_proj of another size than the config's intermediate_size.
nn::GatedMlp take_gated_mlp(Weights& weights, const std::string& at, int width, int inner,
                            graph::Activation activation);

// `num_experts`, or as transformers 5 writes it `num_local_experts`.
int read_expert_count(Config& config, std::string_view key, std::string_view other_key = {});

// Mixtures as DeepSeek has them: experts in groups, beside one that all rows use, behind the first layers.
struct SharedMixture {
  MixtureSizes sizes;
  graph::Routing routing;
  bool corrected = false;  // by <at>.gate.e_score_correction_bias
  int shared_inner = 0;    // 0: no expert that all rows use
  int first = 0;
  int every = 1;

  bool in_layer(std::size_t layer) const {
    return static_cast<int>(layer) >= first && static_cast<int>(layer) % every == 0;
  }
};

// n_routed_experts, n_group, topk_group, routed_scaling_factor … of corrected sigmoids (deepseek_v3,
// glm4_moe), or of a softmax (deepseek_v2).
SharedMixture read_shared_mixture(Config& config, int width, bool softmax = false);
nn::Mixture take_shared_mixture(Weights& weights, const std::string& at, const SharedMixture& mixture,
                                graph::Activation activation);

// Sets layers aside that predict further tokens: those behind the last, as many as the config says.
void drop_next_token_layers(Config& config, Weights& weights, int num_hidden_layers);

// Which layers have experts: every decoder_sparse_step-th, but those that mlp_only_layers lists.
std::vector<bool> read_sparse_layers(Config& config, int num_hidden_layers);

// Keys that matter to training alone.
void mark_router_losses(Config& config);

}  // namespace pome::models
