// Self-attention's projections.
#pragma once

#include "nn/linear.h"

namespace pome::nn {

// Either q, k and v or all three as one.
struct AttentionProjections {
  LinearPtr q;       // [D → H·C]
  LinearPtr k;       // [D → K·C]
  LinearPtr v;       // [D → K·C]
  LinearPtr qkv;     // [D → H·C + K·C + K·C]
  LinearPtr o;       // [H·C → D]
  int q_width = 0;   // H·C
  int kv_width = 0;  // K·C
};

struct Qkv {
  graph::Value q;
  graph::Value k;
  graph::Value v;
};

Qkv project_qkv(graph::Graph& g, const AttentionProjections& attention, graph::Value x);

}  // namespace pome::nn
