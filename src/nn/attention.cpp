#include "nn/attention.h"

namespace pome::nn {

Qkv project_qkv(graph::Graph& g, const AttentionProjections& attention, graph::Value x) {
  if (!attention.qkv)
    return {g.linear(*attention.q, x), g.linear(*attention.k, x), g.linear(*attention.v, x)};
  const graph::Value all = g.linear(*attention.qkv, x);
  const int q_width = attention.q_width;
  const int kv_width = attention.kv_width;
  return {g.columns(all, 0, q_width), g.columns(all, q_width, kv_width),
          g.columns(all, q_width + kv_width, kv_width)};
}

}  // namespace pome::nn
