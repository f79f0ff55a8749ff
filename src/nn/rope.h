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
  double factor = 1;
  double low_freq_factor = 1;   // llama3
  double high_freq_factor = 4;  // llama3
  int original_max_position_embeddings = 0;
};

// Reads `rope_theta` with `rope_scaling`, or `rope_parameters`, which transformers 5 writes for both; "type"
// is the older name of "rope_type". Throws Error(unsupported) for a type or a setting that is not
// implemented, Error(corrupt) for values out of range. `subject` names the file.
RopeSettings parse_rope(const Json& config, double default_theta, std::string_view subject);

// dims: the first elements of each head that are rotated.
graph::Rope make_rope(const RopeSettings& settings, int head_dim, int dims, int max_position_embeddings);

}  // namespace pome::nn
