// Rope as configs spell it.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "graph/rope.h"

namespace pome::nn {

// Frequencies as transformers computes them (modeling_rope_utils.py), step by step in float32.
struct RopeSettings {
  std::string type = "default";  // default, linear, dynamic, llama3
  double theta = 10000;
  double partial_rotary_factor = 1;  // the part of each head that is rotated
  double factor = 1;
  double low_freq_factor = 1;   // llama3
  double high_freq_factor = 4;  // llama3
  int original_max_position_embeddings = 0;
};

// Reads `rope_theta` and `partial_rotary_factor` with `rope_scaling`, or `rope_parameters`, which
// transformers 5 writes for all three; "type" is the older name of "rope_type". `layer_type`: whose settings
// to take where rope_parameters are nested by layer type. `defaults`: the family's theta and
// partial_rotary_factor. Throws Error(unsupported) for a type or a setting that is not implemented,
// Error(corrupt) for values out of range. `subject` names the file.
RopeSettings parse_rope(const Json& config, const RopeSettings& defaults, std::string_view subject,
                        std::string_view layer_type = {});

// Whether rope_parameters are nested by layer type.
bool has_ropes_by_layer_type(const Json& config);

// dims: the first elements of each head that are rotated.
graph::Rope make_rope(const RopeSettings& settings, int head_dim, int dims, int max_position_embeddings);

}  // namespace pome::nn
