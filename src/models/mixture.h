// What families with mixtures of experts share: routers, experts in the layouts of checkpoints, the one
// expert that all rows use.
#pragma once

#include <array>

#include "models/transformer.h"

namespace pome::models {

// What a family's mixtures are alike in.
struct MixtureSizes {
  int experts = 0;
  int chosen = 0;
  int width = 0;  // D
  int inner = 0;  // I
};

// Rows of layout tables, into MLX's stacks <module>.switch_mlp: experts published one by one or, gate and up
// as one, as stacks; in .mlp, and in .block_sparse_moe, where they are called w1, w2 and w3 (transformers 5
// calls that .mlp in memory).
inline constexpr std::array mlp_experts = {
    formats::Rename{
        .kind = formats::Rename::Kind::stack, .pattern = ".mlp.experts.#.", .to = ".mlp.switch_mlp."},
    formats::Rename{.kind = formats::Rename::Kind::halves,
                    .pattern = ".mlp.experts.gate_up_proj",
                    .to = ".mlp.switch_mlp.gate_proj.weight",
                    .second = ".mlp.switch_mlp.up_proj.weight"},
    formats::Rename{.kind = formats::Rename::Kind::replace,
                    .pattern = ".mlp.experts.down_proj",
                    .to = ".mlp.switch_mlp.down_proj.weight"},
};
inline constexpr std::array sparse_moe_experts = {
    formats::Rename{.kind = formats::Rename::Kind::replace, .pattern = ".mlp.", .to = ".block_sparse_moe."},
    formats::Rename{.kind = formats::Rename::Kind::stack,
                    .pattern = ".block_sparse_moe.experts.#.w1.",
                    .to = ".block_sparse_moe.switch_mlp.gate_proj."},
    formats::Rename{.kind = formats::Rename::Kind::stack,
                    .pattern = ".block_sparse_moe.experts.#.w2.",
                    .to = ".block_sparse_moe.switch_mlp.down_proj."},
    formats::Rename{.kind = formats::Rename::Kind::stack,
                    .pattern = ".block_sparse_moe.experts.#.w3.",
                    .to = ".block_sparse_moe.switch_mlp.up_proj."},
    formats::Rename{.kind = formats::Rename::Kind::halves,
                    .pattern = ".block_sparse_moe.experts.gate_up_proj",
                    .to = ".block_sparse_moe.switch_mlp.gate_proj.weight",
                    .second = ".block_sparse_moe.switch_mlp.up_proj.weight"},
    formats::Rename{.kind = formats::Rename::Kind::replace,
                    .pattern = ".block_sparse_moe.experts.down_proj",
                    .to = ".block_sparse_moe.switch_mlp.down_proj.weight"},
};
// Granite's, which are stacks called input_linear and output_linear.
inline constexpr std::array granite_experts = {
    formats::Rename{.kind = formats::Rename::Kind::halves,
                    .pattern = ".block_sparse_moe.input_linear.weight",
                    .to = ".block_sparse_moe.switch_mlp.gate_proj.weight",
                    .second = ".block_sparse_moe.switch_mlp.up_proj.weight"},
    formats::Rename{.kind = formats::Rename::Kind::replace,
                    .pattern = ".block_sparse_moe.output_linear.",
                    .to = ".block_sparse_moe.switch_mlp.down_proj."},
};

// Experts <at>.gate_proj, .up_proj and .down_proj [E, …], where they lie. Throws as Weights does.
graph::Experts take_experts(Weights& weights, const std::string& at, const MixtureSizes& sizes,
                            graph::Activation activation);

// Router <at>.<router> and experts <at>.switch_mlp; `routing` gets the numbers of `sizes`.
nn::Mixture take_mixture(Weights& weights, const std::string& at, const MixtureSizes& sizes,
                         graph::Activation activation, graph::Routing routing,
                         const std::string& router = "gate");

// <at>.gate_proj, .up_proj and .down_proj of another size than the config's intermediate_size.
nn::GatedMlp take_gated_mlp(Weights& weights, const std::string& at, int width, int inner,
                            graph::Activation activation, bool bias = false);

// `num_experts`, or as transformers 5 writes it `num_local_experts`.
int read_expert_count(Config& config, std::string_view key, std::string_view other_key = {});

// The feed-forwards of a family in which some or all layers have experts.
struct MixtureSpec {
  MixtureSizes sizes = {};
  graph::Routing routing = {};       // gets the numbers of `sizes`
  std::string_view module = "mlp";   // of both kinds of layers
  std::string_view router = "gate";  // behind <module>
  std::string_view correction = {};  // [E] behind <module>, where scores are corrected
  std::string_view shared = {};      // the expert that all rows use, behind <module>
  int shared_inner = 0;              // its I; 0: there is none
  bool shared_gate = false;          // it counts sigmoid(<shared>_gate)
  std::vector<bool> layers = {};     // which have experts; empty: all
};

// Takes them; layers without experts are gated MLPs of intermediate_size. `bias`: of those and of the shared
// expert.
TakeFeedForward feed_forward(const MixtureSpec& spec, const DecoderConfig& c, bool bias = false);

// How many experts all rows use; they are stored as one. Throws Error(corrupt).
int read_shared_experts(Config& config, std::string_view key, int otherwise);

// Mixtures as DeepSeek has them, experts in groups and behind the first layers: n_routed_experts, n_group,
// topk_group, routed_scaling_factor … of corrected sigmoids (deepseek_v3, glm4_moe), or of a softmax
// (deepseek_v2).
MixtureSpec read_grouped_mixture(Config& config, const DecoderConfig& c, bool softmax = false);

// Sets layers aside that predict further tokens: those behind the last, as many as the config says.
void drop_next_token_layers(Config& config, Weights& weights, int num_hidden_layers);

// Which layers have experts: every decoder_sparse_step-th, but those that mlp_only_layers lists.
std::vector<bool> read_sparse_layers(Config& config, int num_hidden_layers);

// Keys that matter to training alone.
void mark_router_losses(Config& config);

}  // namespace pome::models
