#include "nn/latent_attention.h"

#include "nn/dense.h"

namespace pome::nn {

using graph::Graph;
using graph::Value;

graph::CacheLayer latent_cache(const LatentAttention& attention) {
  graph::CacheLayer layer;
  layer.kv_heads = 1;
  layer.head_dim = attention.latent_dim + attention.rotated_dim;
  layer.value_dim = attention.latent_dim;
  layer.own_values = false;
  return layer;
}

Value latent_attention(Graph& g, const LatentAttention& a, const graph::Rope& rope, int layer, Value x) {
  const Value q =
      a.q ? g.linear(*a.q, x) : g.linear(*a.q_up, g.rms_norm(g.linear(*a.q_down, x), *a.q_norm, a.norm_eps));
  const int head = a.plain_dim + a.rotated_dim;
  const Value q_parts[] = {g.head_linear(a.embed_q, g.columns(q, 0, a.plain_dim, head)),
                           g.rope(g.columns(q, a.plain_dim, a.rotated_dim, head), rope)};
  const Value kv = g.linear(*a.kv_down, x);
  const Value k_parts[] = {g.rms_norm(g.columns(kv, 0, a.latent_dim), a.kv_norm, a.norm_eps),
                           g.rope(g.columns(kv, a.latent_dim, a.rotated_dim), rope)};
  const graph::Attention spec{.layer = layer,
                              .heads = a.heads,
                              .kv_heads = 1,
                              .head_dim = a.latent_dim + a.rotated_dim,
                              .scale = a.scale,
                              .value_dim = a.latent_dim};
  const Value latents = g.attention(spec, g.concat(q_parts, a.heads), g.concat(k_parts));
  return g.linear(*a.o, g.head_linear(a.unembed, latents));
}

void split_heads(const graph::Weight& kv_b, LatentAttention& a) {
  const auto heads = static_cast<std::size_t>(a.heads), plain = static_cast<std::size_t>(a.plain_dim);
  const auto latent = static_cast<std::size_t>(a.latent_dim);
  const auto rows = plain + static_cast<std::size_t>(a.value_dim);
  std::vector<float> transposed(heads * latent * plain), row(latent);
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < plain; ++i) {
      decode_row(kv_b, static_cast<std::int64_t>(h * rows + i), row);
      for (std::size_t c = 0; c < latent; ++c) transposed[(h * latent + c) * plain + i] = row[c];
    }
  }
  a.embed_q.name = kv_b.weight.name;
  a.embed_q.weight.weight =
      float_tensor(kv_b.weight, {a.heads, a.latent_dim, a.plain_dim}, std::move(transposed));
  a.unembed.name = kv_b.weight.name;
  a.unembed.weight = kv_b;
  a.unembed.first = a.plain_dim;
  a.unembed.count = a.value_dim;
  graph::Weight& stack = a.unembed.weight;
  const auto by_head = [&](formats::Tensor& tensor) {
    tensor.shape = {a.heads, static_cast<std::int64_t>(rows), tensor.shape.back()};
  };
  by_head(stack.weight);
  if (stack.scales) by_head(*stack.scales);
  if (stack.biases) by_head(*stack.biases);
}

}  // namespace pome::nn
