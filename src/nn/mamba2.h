// Mamba-2's mixer: Dao, Gu 2024, arXiv 2405.21060, as transformers' models/mamba2 computes it.
#pragma once

#include <limits>
#include <optional>

#include "nn/linear.h"

namespace pome::nn {

// [z | x, B, C | dt] = in_proj(h); x, B, C through a short convolution and silu; a recurrence of decay
// e^(-dt·e^a_log) that adds dt·x Bᵀ and reads C; gated by z; out_proj.
struct Mamba2 {
  LinearPtr in_proj;                      // [D → I + (I + 2·G·N) + H], I = H·P
  std::optional<formats::Tensor> scales;  // of in_proj's outputs
  formats::Tensor conv_weight;            // taps of x, B and C
  std::optional<formats::Tensor> conv_bias;
  formats::Tensor dt_bias;              // [H]
  formats::Tensor a_log;                // [H]
  formats::Tensor d;                    // [H]
  std::optional<formats::Tensor> norm;  // [I]; where there is none the gate alone remains
  LinearPtr out_proj;                   // [I → D]
  graph::Convolution convolution;
  graph::Recurrence recurrence;
  int norm_groups = 1;  // each normalized by itself
  bool norm_before_gate = false;
  float norm_eps = 0;
  float least_time_step = 0;
  float most_time_step = std::numeric_limits<float>::infinity();
  graph::Activation activation = graph::Activation::silu;

  int inner() const { return recurrence.heads * recurrence.value_dim; }
  int group_width() const { return recurrence.key_heads * recurrence.key_dim; }
  int convolved() const { return inner() + 2 * group_width(); }
};

graph::Value mamba2(graph::Graph& g, const Mamba2& mixer, graph::Value x);

}  // namespace pome::nn
