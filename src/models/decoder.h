// What the configs of decoder-only transformers have in common.
#pragma once

#include <cmath>
#include <vector>

#include "graph/graph.h"
#include "models/config.h"
#include "models/model.h"
#include "nn/rope.h"

namespace pome::models {

// Fields keep their checkpoint spelling.
struct DecoderConfig {
  std::string model_type;
  int vocab_size = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;
  int head_dim = 0;
  int max_position_embeddings = 0;
  int context_length = 0;   // max_position_embeddings, or what a dynamic rope scaling makes of it
  int unscaled_length = 0;  // as in Info
  float rms_norm_eps = 0;
  bool tie_word_embeddings = false;
  graph::Activation hidden_act = graph::Activation::silu;
  graph::Rope rope;

  Info info(std::string_view family) const;
  float attention_scale() const { return 1 / std::sqrt(static_cast<float>(head_dim)); }
};

// head_dim: the family's default; 0: hidden_size over heads. Throws Error(corrupt, unsupported).
DecoderConfig read_decoder_config(Config& config, int head_dim = 0);

// Every layer's window, 0 for full attention, from `sliding_window`, `use_sliding_window`,
// `max_window_layers` and `layer_types`, as qwen2 and qwen3 have them.
std::vector<int> read_layer_windows(Config& config, int num_hidden_layers);

}  // namespace pome::models
