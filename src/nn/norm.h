// Layer norm with its parameters; root mean square norms need but a tensor.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace pome::nn {

struct LayerNorm {
  graph::Tensor weight;  // [D], or [C] for heads of C
  std::optional<graph::Tensor> bias;
  float eps = 0;
};

inline graph::Value layer_norm(graph::Graph& g, const LayerNorm& norm, graph::Value x) {
  return g.layer_norm(x,
                      {.eps = norm.eps, .weight = &norm.weight, .bias = norm.bias ? &*norm.bias : nullptr});
}

}  // namespace pome::nn
