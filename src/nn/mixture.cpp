#include "nn/mixture.h"

namespace pome::nn {

using graph::Activation;
using graph::Graph;
using graph::Value;

Value mixture(Graph& g, const Mixture& mixture, Value x) {
  graph::Routing routing = mixture.routing;
  if (mixture.correction) routing.correction = &*mixture.correction;
  const Value routes = g.route(routing, g.linear(*mixture.router, x));
  const Value y = g.experts(mixture.experts, x, routes);
  if (!mixture.shared) return y;
  Value shared = gated_mlp(g, *mixture.shared, x);
  if (mixture.shared_gate) {
    shared = g.multiply(shared, g.activate(Activation::sigmoid, g.linear(*mixture.shared_gate, x)));
  }
  return g.add(y, shared);
}

Value feed_forward(Graph& g, const FeedForward& layer, Value x) {
  if (layer.mixture) return mixture(g, *layer.mixture, x);
  return layer.plain ? plain_mlp(g, *layer.plain, x) : gated_mlp(g, *layer.dense, x);
}

}  // namespace pome::nn
