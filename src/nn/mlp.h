// Feed-forward layers.
#pragma once

#include <optional>
#include <string_view>

#include "graph/graph.h"
#include "graph/weight.h"

namespace pome::nn {

// down(activation(gate(x)) · up(x))
struct GatedMlp {
  graph::Linear gate;
  graph::Linear up;
  graph::Linear down;
  graph::Activation activation = graph::Activation::silu;
};

graph::Value gated_mlp(graph::Graph& g, const GatedMlp& mlp, graph::Value x);

// By the names that configs use; nothing for others.
std::optional<graph::Activation> activation_from_name(std::string_view name);

}  // namespace pome::nn
