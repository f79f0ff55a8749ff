#include "nn/gated_delta.h"

#include <cmath>

namespace pome::nn {

using graph::Activation;
using graph::Graph;
using graph::Value;

namespace {

struct Projected {
  Value mixed;  // [q | k | v]
  Value z, b, a;
};

Projected project(Graph& g, const GatedDelta& net, Value x) {
  if (net.qkv) return {g.linear(*net.qkv, x), g.linear(*net.z, x), g.linear(*net.b, x), g.linear(*net.a, x)};
  const Value all = g.linear(*net.qkvz, x), gates = g.linear(*net.ba, x);
  const auto& r = net.recurrence;
  const int shared = r.heads / r.key_heads, values = shared * r.value_dim;
  const int run = 2 * r.key_dim + 2 * values;
  const Value parts[] = {g.columns(all, 0, r.key_dim, run), g.columns(all, r.key_dim, r.key_dim, run),
                         g.columns(all, 2 * r.key_dim, values, run)};
  return {g.concat(parts), g.columns(all, 2 * r.key_dim + values, values, run),
          g.columns(gates, 0, shared, 2 * shared), g.columns(gates, shared, shared, 2 * shared)};
}

// Every key head over the root of its sum of squares + 1e-6, times `factor`.
Value unit_length(Graph& g, const GatedDelta& net, Value x, float factor) {
  const auto width = static_cast<float>(net.recurrence.key_dim);
  const Value y = g.rms_norm(x, {.eps = 1e-6F / width, .run = net.recurrence.key_dim});
  return g.scale(y, factor / std::sqrt(width));
}

}  // namespace

Value gated_delta(Graph& g, const GatedDelta& net, Value x) {
  const auto [mixed, z, b, a] = project(g, net, x);
  const Value y = g.activate(net.activation, g.convolution(net.convolution, mixed, net.conv_weight, nullptr));
  const int keys = net.key_width();
  const float scale = 1 / std::sqrt(static_cast<float>(net.recurrence.key_dim));
  const Value q = unit_length(g, net, g.columns(y, 0, keys), scale);
  const Value k = unit_length(g, net, g.columns(y, keys, keys), 1);
  const Value dt = g.activate(Activation::softplus, g.add(a, net.dt_bias));
  const Value out = g.recurrence(net.recurrence, q, k, g.columns(y, 2 * keys, net.value_width()),
                                 g.decay(dt, net.a_log), g.activate(Activation::sigmoid, b), nullptr);
  const Value normalized = g.rms_norm(out, net.norm, net.norm_eps);
  return g.linear(*net.out_proj, g.multiply(normalized, g.activate(Activation::silu, z)));
}

}  // namespace pome::nn
