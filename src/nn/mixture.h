// Mixtures of experts: a router, the experts it chooses from and, in some families, one that all rows use.
#pragma once

#include <optional>

#include "nn/mlp.h"

namespace pome::nn {

struct Mixture {
  LinearPtr router;  // [D → E]
  graph::Routing routing = {};
  std::optional<graph::Tensor> correction = {};  // what routing.correction is to point to
  graph::Experts experts = {};
  std::optional<GatedMlp> shared = {};
  LinearPtr shared_gate = {};  // [D → 1]: the shared expert counts sigmoid of it
};

graph::Value mixture(graph::Graph& g, const Mixture& mixture, graph::Value x);

// A layer has one of them.
struct FeedForward {
  std::optional<GatedMlp> dense = {};
  std::optional<Mixture> mixture = {};
  std::optional<PlainMlp> plain = {};
};

graph::Value feed_forward(graph::Graph& g, const FeedForward& layer, graph::Value x);

}  // namespace pome::nn
