// What families take whose layers carry a state.
#pragma once

#include "models/decoder.h"
#include "nn/mamba2.h"

namespace pome::models {

// Fields keep their most common checkpoint spelling.
struct Mamba2Config {
  int num_heads = 0;
  int head_dim = 0;
  int n_groups = 1;
  int state_size = 0;
  int conv_kernel = 4;
  bool conv_bias = true;
  bool in_bias = false;
  bool out_bias = false;
  bool norm = true;
};

// Takes <at>.in_proj, conv1d, dt_bias, A_log, D, norm and out_proj, and appends the two states to the plan.
// Throws Error(corrupt).
nn::Mamba2 take_mamba2(Weights& weights, const std::string& at, int hidden_size, const Mamba2Config& config,
                       graph::CachePlan& plan);

// `time_step_limit` [least, most], none where the config has none. transformers' decoding of single tokens
// forgets it; it applies to every row here, as in mlx-lm and in whole passes of both.
void read_time_step_limit(Config& config, nn::Mamba2& mixer);

// What each layer is: `layer_types` (or the key given) word by word. Throws Error(corrupt) where it is no
// list of so many words.
std::vector<std::string> read_layer_kinds(Config& config, std::string_view key, int num_hidden_layers);

// Appends a slot to the plan and says which.
int add_slot(graph::CachePlan& plan, const graph::CacheLayer& layer);

}  // namespace pome::models
