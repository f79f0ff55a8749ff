// Feed-forward layers.
#pragma once

#include <optional>
#include <string_view>

#include "nn/linear.h"

namespace pome::nn {

// down(activation(gate(x)) · up(x)). Either gate and up, or both as one.
struct GatedMlp {
  LinearPtr gate = {};
  LinearPtr up = {};
  LinearPtr gate_up = {};
  LinearPtr down = {};
  graph::Activation activation = graph::Activation::silu;
};

graph::Value gated_mlp(graph::Graph& g, const GatedMlp& mlp, graph::Value x);

// down(activation(up(x)))
struct PlainMlp {
  LinearPtr up;
  LinearPtr down;
  graph::Activation activation = graph::Activation::gelu;
};

graph::Value plain_mlp(graph::Graph& g, const PlainMlp& mlp, graph::Value x);

// By the names that configs use; nothing for others.
std::optional<graph::Activation> activation_from_name(std::string_view name);

}  // namespace pome::nn
