// Multi-head latent attention (DeepSeek V2): keys and values of all heads are made of one latent vector per
// position. What is cached is the latent and the rotated part of the key; queries are brought into the
// latent's space instead of keys out of it, and values leave it behind the softmax.
#pragma once

#include <optional>

#include "graph/cache.h"
#include "nn/linear.h"

namespace pome::nn {

struct LatentAttention {
  int heads = 0;        // H
  int latent_dim = 0;   // R
  int plain_dim = 0;    // of queries and keys, per head: not rotated …
  int rotated_dim = 0;  // … and rotated
  int value_dim = 0;
  float norm_eps = 0;
  float scale = 0;

  LinearPtr q;                          // [D → H·(plain + rotated)], or …
  LinearPtr q_down;                     // … through a narrower vector
  std::optional<graph::Tensor> q_norm;  // of that
  LinearPtr q_up;
  LinearPtr kv_down;          // [D → R + rotated]
  graph::Tensor kv_norm;      // [R]
  graph::HeadLinear embed_q;  // [H, R, plain]
  graph::HeadLinear unembed;  // [H, value, R]
  LinearPtr o;                // [H·value → D]
};

graph::CacheLayer latent_cache(const LatentAttention& attention);
graph::Value latent_attention(graph::Graph& g, const LatentAttention& attention, const graph::Rope& rope,
                              int layer, graph::Value x);

// Splits kv_b_proj [H·(plain + value), R] into embed_q and unembed; the former is a transposed copy in
// float32, the latter a view.
void split_heads(const graph::Weight& kv_b, LatentAttention& attention);

}  // namespace pome::nn
