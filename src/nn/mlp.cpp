#include "nn/mlp.h"

namespace pome::nn {

using graph::Activation;
using graph::Graph;
using graph::Value;

Value gated_mlp(Graph& g, const GatedMlp& mlp, Value x) {
  const Value gate = g.activate(mlp.activation, g.linear(mlp.gate, x));
  return g.linear(mlp.down, g.multiply(gate, g.linear(mlp.up, x)));
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
