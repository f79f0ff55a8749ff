// Gated delta nets: Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464, as transformers' models/qwen3_next
// computes them.
#pragma once

#include "nn/linear.h"

namespace pome::nn {

// q, k and v through a short convolution and an activation, q and k then brought to length 1 per key head; a
// recurrence by the delta rule with decay e^(-softplus(a + dt_bias)·e^a_log) and beta sigmoid(b); the result
// normalized per head, gated by silu(z); out_proj.
struct GatedDelta {
  // Either [q | k | v], z, b and a, or two projections that have them per key head: [q, k, v, z] and [b, a].
  LinearPtr qkv, z, b, a;
  LinearPtr qkvz, ba;
  graph::Tensor conv_weight;
  graph::Tensor dt_bias;  // [H]
  graph::Tensor a_log;    // [H]
  graph::Tensor norm;     // [value_dim]
  LinearPtr out_proj;
  graph::Convolution convolution;
  graph::Recurrence recurrence;
  float norm_eps = 0;
  graph::Activation activation = graph::Activation::silu;

  int key_width() const { return recurrence.key_heads * recurrence.key_dim; }
  int value_width() const { return recurrence.heads * recurrence.value_dim; }
  int convolved() const { return 2 * key_width() + value_width(); }
};

graph::Value gated_delta(graph::Graph& g, const GatedDelta& net, graph::Value x);

}  // namespace pome::nn
