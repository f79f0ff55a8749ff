// Functions of single elements.
#pragma once

#include <cstdint>

namespace pome::graph {

enum class Activation : std::uint8_t {
  silu,
  gelu,        // x·Φ(x)
  gelu_tanh,   // its approximation by tanh
  gelu_quick,  // its approximation x·sigmoid(1.702·x)
  relu,
  relu_squared,
  sigmoid,
  tanh,
  softplus,  // ln(1 + e^x)
};

// x > 0: positive·x² + beta·x; else: (e^min(x, eps) - 1 - x)·negative + beta·x. (apertus)
struct Xielu {
  float positive = 0;
  float negative = 0;
  float beta = 0;
  float eps = 0;
};

// What stands between the two halves of a gated feed-forward layer: f(gate)·up, or with a limit, as gpt_oss
// has it, g·sigmoid(alpha·g)·(u + 1), where g = min(gate, limit) and u = up clamped to ±limit.
struct Gating {
  Activation activation = Activation::silu;
  float limit = 0;
  float alpha = 1.702F;
};

}  // namespace pome::graph
