// What a forward pass is made of: operations over values, written once per model family and executed by a
// backend.
//
// Every Value is a float32-like matrix [rows, width]; rows are the step's tokens (T), or its output rows
// after out_rows(). A backend may compute in other precisions, fuse operations and keep the recorded program
// for later steps of the same shape: a model therefore may only look at shapes here, never at data.
//
// Letters: T rows of the step, D width, H heads, K kv heads, C head size, V vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "graph/rope.h"
#include "graph/weight.h"

namespace pome::graph {

// A handle into the Graph that made it.
struct Value {
  std::int32_t id = -1;
};

enum class Activation : std::uint8_t { silu, gelu, gelu_tanh, relu, relu_squared, sigmoid, tanh };

struct Attention {
  int layer = 0;       // index into the CachePlan
  int heads = 0;       // H, a multiple of kv_heads
  int kv_heads = 0;    // K
  int head_dim = 0;    // C
  float scale = 0;     // usually C^-0.5
  int window = 0;      // > 0: a row sees itself and the window - 1 positions before it
  bool causal = true;  // false: a row sees its whole segment (encoders, which have no cache)
};

class Graph {
 public:
  virtual ~Graph() = default;

  virtual int rows(Value x) const = 0;
  virtual int width(Value x) const = 0;

  // The step's token embeddings: rows of `table` [V, D] → [T, D].
  virtual Value embedding(const Weight& table) = 0;

  // x [T, in] → [T, out], with bias and the adapters of each row's segment.
  virtual Value linear(const Linear& linear, Value x) = 0;

  // Normalizes every run of weight.shape[0] elements (a whole row, or each head) by its root mean square,
  // times weight.
  virtual Value rms_norm(Value x, const Tensor& weight, float eps) = 0;

  // Normalizes a row to mean 0 and variance 1, times weight, plus bias where present.
  virtual Value layer_norm(Value x, const Tensor& weight, const Tensor* bias, float eps) = 0;

  // Rotates every head of x by its row's position.
  virtual Value rope(Value x, const Rope& rope) = 0;

  // q [T, H·C], k and v [T, K·C] → [T, H·C]. Appends k and v to each segment's cache, then attends over it.
  virtual Value attention(const Attention& spec, Value q, Value k, Value v) = 0;

  virtual Value add(Value a, Value b) = 0;
  virtual Value multiply(Value a, Value b) = 0;
  virtual Value scale(Value x, float factor) = 0;
  virtual Value activate(Activation activation, Value x) = 0;

  // Columns [begin, begin + count) of x.
  virtual Value columns(Value x, int begin, int count) = 0;

  // Only the rows whose outputs the step wants.
  virtual Value out_rows(Value x) = 0;

  // Names a result. "logits" is always kept; "layers.<i>" (a block's output, all rows) only when the step
  // asks.
  virtual void output(std::string_view name, Value x) = 0;
};

}  // namespace pome::graph
