// Rope as configs spell it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "graph/rope.h"

namespace pome::nn {

// Frequencies as transformers computes them (modeling_rope_utils.py), step by step in float32.
struct RopeSettings {
  // default, linear, dynamic, llama3, yarn, longrope (also called su) or proportional. mrope, whose sections
  // count the same positions in text, is default.
  std::string type = "default";
  double theta = 10000;
  double partial_rotary_factor = 1;          // the part of each head that is rotated
  std::optional<double> factor = {};         // yarn, longrope: max_position_embeddings over the original ones
  int original_max_position_embeddings = 0;  // yarn, longrope: default max_position_embeddings
  std::optional<double> alpha =
      {};  // dynamic, as Hunyuan has it: the base times alpha^(dims/(dims - 2)), always
  double llama_4_scaling_beta = 0;              // a family's scaling of queries, read with the rest
  double low_freq_factor = 1;                   // llama3
  double high_freq_factor = 4;                  // llama3
  double beta_fast = 32;                        // yarn
  double beta_slow = 1;                         // yarn
  bool truncate = true;                         // yarn
  std::optional<double> mscale = {};            // yarn
  std::optional<double> mscale_all_dim = {};    // yarn; some families scale their attention by it too
  std::optional<double> attention_factor = {};  // yarn, longrope
  std::vector<double> short_factor = {};        // longrope, one per pair
  std::vector<double> long_factor = {};
  std::optional<double> short_mscale = {};  // longrope, instead of attention_factor
  std::optional<double> long_mscale = {};
};

// Reads `rope_theta`, `partial_rotary_factor` and `original_max_position_embeddings` with `rope_scaling`, or
// `rope_parameters`, which transformers 5 writes for all of them; "type" is the older name of "rope_type".
// `layer_type`: whose settings to take where rope_parameters are nested by layer type. `defaults`: the
// family's. Throws Error(unsupported) for a type or a setting that is not implemented, Error(corrupt) for
// values out of range. `subject` names the file.
RopeSettings parse_rope(const Json& config, const RopeSettings& defaults, std::string_view subject,
                        std::string_view layer_type = {});

// Whether rope_parameters are nested by layer type.
bool has_ropes_by_layer_type(const Json& config);

// yarn's 1 + 0.1·mscale·ln(factor).
double yarn_mscale(double factor, double mscale);

// Rotates the first part of each head. Throws Error(corrupt) where the factors do not fit head_dim.
graph::Rope make_rope(const RopeSettings& settings, int head_dim, int max_position_embeddings,
                      std::string_view subject);

}  // namespace pome::nn
