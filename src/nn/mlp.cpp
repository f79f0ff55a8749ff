#include "nn/mlp.h"

namespace pome::nn {

using graph::Activation;
using graph::Graph;
using graph::Value;

Value gated_mlp(Graph& g, const GatedMlp& mlp, Value x) {
  Value gate, up;
  if (mlp.gate_up) {
    const Value both = g.linear(*mlp.gate_up, x);
    const int half = g.width(both) / 2;
    gate = g.columns(both, 0, half);
    up = g.columns(both, half, half);
  } else {
    gate = g.linear(*mlp.gate, x);
    up = g.linear(*mlp.up, x);
  }
  return g.linear(*mlp.down, g.multiply(g.activate(mlp.activation, gate), up));
}

Value plain_mlp(Graph& g, const PlainMlp& mlp, Value x) {
  return g.linear(*mlp.down, g.activate(mlp.activation, g.linear(*mlp.up, x)));
}

std::optional<Activation> activation_from_name(std::string_view name) {
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "relu2") return Activation::relu_squared;
  return std::nullopt;
}

}  // namespace pome::nn
