// Matrices of which a row meets some: experts, of which a router chooses a few, and those of single heads.
#pragma once

#include <vector>

#include "graph/activation.h"
#include "graph/weight.h"

namespace pome::graph {

// One matrix [out, in] per expert: a stack [E, out, in], or E weights.
struct ExpertMatrices {
  std::vector<Weight> parts;
  std::optional<Tensor> bias;  // [E, out]

  bool exists() const { return !parts.empty(); }
};

// Feed-forward networks down(gated(gate(x), up(x))), or down(activation(gate(x))) where there is no up.
// Adapters do not reach them.
struct Experts {
  // Whether `gate` holds both: the rows of the gate and then those of up, or one of each in turn.
  enum class Fused : std::uint8_t { no, halves, alternating };

  std::string name;  // module path in the checkpoint, for messages: "model.layers.7.mlp.experts"
  int count = 0;     // E
  ExpertMatrices gate;
  ExpertMatrices up;
  ExpertMatrices down;
  Fused fused = Fused::no;
  Gating gating;
  bool weigh_inputs = false;  // a row's weight multiplies what its expert gets, not what it makes of it
};

// A router: weights from logits, and who is chosen.
struct Routing {
  enum class Scores : std::uint8_t {
    softmax,
    sigmoid,
    softmax_of_chosen,  // chosen by their logits, whose softmax over the chosen are the weights
    sparse_mixer,       // phimoe's: each choice's softmax over what is within 2·jitter of it, relatively
  };

  int experts = 0;  // E
  int chosen = 0;   // k
  Scores scores = Scores::softmax;
  const Tensor* correction = nullptr;  // [E], added to scores for the choice, not for the weights
  // Choice is among the best chosen_groups of `groups` equal groups; a group counts by the sum of its
  // group_best best.
  int groups = 1;
  int chosen_groups = 1;
  int group_best = 1;
  bool normalize = false;  // the weights are divided by their sum + epsilon
  float epsilon = 0;
  float scale = 1;
  const Tensor* expert_scale = nullptr;  // [E]: factors of the weights
  float jitter = 0;
};

// One matrix per head, rows [first, first + count) of each of a stack [H, rows, in]; count 0: all of them.
struct HeadLinear {
  std::string name;
  Weight weight;
  int first = 0;
  int count = 0;

  int heads() const { return static_cast<int>(weight.weight.shape.at(0)); }
  int out_features() const { return count > 0 ? count : static_cast<int>(weight.out_features()); }
};

// The matrix [out, in] of one expert, or of one head of a stack. Views.
Weight expert_weight(const ExpertMatrices& matrices, int expert);
Weight stacked_weight(const Weight& stack, int index);

// Throws Error(internal) for an operand that does not fit, naming both.
void check_experts(const Experts& experts, int x_width, int routes_width);
void check_head_linear(const HeadLinear& linear, int x_width);
int inner_size(const Experts& experts);  // I, of one of gate and up

}  // namespace pome::graph
