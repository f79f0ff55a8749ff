// Which experts a row goes to, and how much each counts: plain code on the calling thread, the same on every
// level of instructions.
#pragma once

#include <cstdint>

namespace pome::kernels {

inline constexpr int most_experts = 1024;

enum class ExpertScores : std::uint8_t {
  softmax,
  sigmoid,
  softmax_of_chosen,  // chosen by their logits, whose softmax over the chosen are the weights
  sparse_mixer,       // phimoe's: each choice's softmax over what is within 2·jitter of it, relatively
};

struct RouteSpec {
  int experts = 0;  // at most most_experts
  int chosen = 0;
  ExpertScores scores = ExpertScores::softmax;
  const float* correction = nullptr;  // [experts], added to the scores for choosing, not for weighing
  // The experts are taken from the best chosen_groups of `groups` equal groups; a group counts as much as the
  // sum of its `group_best` best.
  int groups = 1;
  int chosen_groups = 1;
  int group_best = 1;
  bool normalize = false;  // divides the weights by their sum + epsilon
  float epsilon = 0;
  float scale = 1;                      // of all weights
  const float* expert_scale = nullptr;  // [experts], of each expert's
  float jitter = 0;
};

// Throws Error(unsupported) for more experts than that, Error(internal) for what contradicts itself.
void check(const RouteSpec& spec);

// out: `chosen` expert numbers as floats, best first and of equals the lower number, then their weights.
// Where logits are not numbers, the numbers are still experts'.
void route(const RouteSpec& spec, const float* logits, float* out);

}  // namespace pome::kernels
