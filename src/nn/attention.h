// Self-attention's projections.
#pragma once

#include "graph/graph.h"
#include "graph/weight.h"

namespace pome::nn {

struct AttentionProjections {
  graph::Linear q;  // [D → H·C]
  graph::Linear k;  // [D → K·C]
  graph::Linear v;  // [D → K·C]
  graph::Linear o;  // [H·C → D]
};

}  // namespace pome::nn
