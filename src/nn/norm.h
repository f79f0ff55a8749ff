// Norms with their parameters.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace pome::nn {

struct Norm {
  enum class Kind : std::uint8_t { rms, layer };

  graph::Tensor weight = {};  // [D], [C] for heads of C, or [H, C]
  std::optional<graph::Tensor> bias = {};
  float eps = 0;
  Kind kind = Kind::rms;
  float weight_offset = 0;  // what is added to the stored weights
  int run = 0;              // as in graph::Norm
};

inline graph::Value norm(graph::Graph& g, const Norm& norm, graph::Value x) {
  const graph::Norm spec{.eps = norm.eps,
                         .weight = &norm.weight,
                         .bias = norm.bias ? &*norm.bias : nullptr,
                         .run = norm.run,
                         .weight_offset = norm.weight_offset};
  return norm.kind == Norm::Kind::rms ? g.rms_norm(x, spec) : g.layer_norm(x, spec);
}

}  // namespace pome::nn
