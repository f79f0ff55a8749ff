// What goes into the next step.
#pragma once

#include <span>
#include <vector>

#include "engine/sequence.h"

namespace pome::engine {

// How many rows of prompts a step may take so that it lasts about as long as wanted. It learns from the steps
// that were measured, so it follows the machine, the model and the length of the context.
class StepBudget {
 public:
  static constexpr int floor_rows = 16;  // below, a step costs as much: weights are read once either way

  explicit StepBudget(int ceiling_rows) : ceiling_(ceiling_rows) {}

  // A multiple of floor_rows where the ceiling is one, so that backends meet few different shapes.
  int rows(double target_ms) const;
  void record(int rows, double ms);

 private:
  int ceiling_;
  double ms_per_row_ = 0;  // 0: nothing measured yet
};

// Part of a step: the next `rows` tokens of a sequence.
struct Share {
  Sequence* sequence = nullptr;
  int rows = 0;
};

// Every sequence of `running` that lacks one token gets it; the others take what is left of `budget` (but at
// least floor_rows together) in their order, up to their next checkpoint.
std::vector<Share> share_out(std::span<Sequence* const> running, int budget);

graph::Step make_step(std::span<const Share> shares);

}  // namespace pome::engine
