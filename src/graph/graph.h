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
#include <span>
#include <string>
#include <string_view>

#include "graph/activation.h"
#include "graph/experts.h"
#include "graph/rope.h"
#include "graph/weight.h"

namespace pome::graph {

// A handle into the Graph that made it.
struct Value {
  std::int32_t id = -1;

  bool exists() const { return id >= 0; }
};

// Normalizes every run of `run` elements of a row.
struct Norm {
  float eps = 0;
  const Tensor* weight = nullptr;  // [n], n dividing the width: element i is multiplied by weight[i mod n]
  const Tensor* bias = nullptr;    // [n], added last; layer_norm() only
  int run = 0;                     // 0: n, or the whole row where there is no weight; else it divides n
  float weight_offset = 0;         // added to every weight: gemma's mean 1 + what is stored
};

// Rows at position p are multiplied by 1 + beta·ln(1 + ⌊(p + offset)/period⌋).
struct PositionScale {
  float beta = 0;
  float period = 0;
  int offset = 0;
};
float factor_at(const PositionScale& scale, int position);

// Of blocks of `block` positions a row sees, through head h, its own, the `local` - 1 before it, and of those
// before them the ones whose number + 1 + h·head_step is a multiple of `stride`.
struct BlockSparse {
  int block = 0;  // 0: every position
  int local = 1;
  int stride = 1;
  int head_step = 0;

  bool sees(int row, int position, int head) const {
    return block == 0 || row / block - position / block < local ||
           (position / block + 1 + head * head_step) % stride == 0;
  }
};

struct Attention {
  int layer = 0;            // index into the CachePlan
  int heads = 0;            // H, a multiple of kv_heads
  int kv_heads = 0;         // K
  int head_dim = 0;         // C, of queries and keys
  float scale = 0;          // usually C^-0.5
  int window = 0;           // > 0: a row sees itself and the window - 1 positions before it
  bool causal = true;       // false: a row sees its whole segment (encoders, which have no cache)
  int value_dim = 0;        // Cv; 0: C
  int chunk = 0;            // > 0: a row sees itself and what is before it in its chunk of so many positions
  BlockSparse sparse = {};  // which of these it sees in fact
  float soft_cap = 0;       // > 0: scores become soft_cap·tanh(score/soft_cap)
  const Tensor* sinks = nullptr;  // [H]: a score that takes its share of the softmax and has no value

  int value_size() const { return value_dim > 0 ? value_dim : head_dim; }
};

// Layers that carry a state; theirs in the CachePlan is {.state_size = state_size(…)}.
struct Convolution {
  int layer = 0;   // index into the CachePlan
  int kernel = 0;  // taps: 2 to 32

  std::int64_t state_size(int channels) const { return std::int64_t{kernel - 1} * channels; }
};

// Per head a matrix S [value_dim, key_dim], which every row changes and then reads:
//   plain (Mamba-2):  S ← decay·S + beta·v kᵀ
//   delta rule:       S ← decay·S + beta·(v - decay·S k) kᵀ
// → S q + skip·v. Neighbouring heads / key_heads heads share q and k.
struct Recurrence {
  int layer = 0;
  int heads = 0;
  int key_heads = 0;
  int key_dim = 0;
  int value_dim = 0;
  bool delta = false;

  std::int64_t state_size() const { return std::int64_t{heads} * value_dim * key_dim; }
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

  // Divides runs by their root mean square.
  virtual Value rms_norm(Value x, const Norm& norm) = 0;
  Value rms_norm(Value x, const Tensor& weight, float eps) {
    return rms_norm(x, Norm{.eps = eps, .weight = &weight});
  }

  // Brings runs to mean 0 and variance 1.
  virtual Value layer_norm(Value x, const Norm& norm) = 0;
  Value layer_norm(Value x, const Tensor& weight, const Tensor* bias, float eps) {
    return layer_norm(x, Norm{.eps = eps, .weight = &weight, .bias = bias});
  }

  // Every head's columns of x by the head's own matrix: x [T, H·in] → [T, H·out].
  virtual Value head_linear(const HeadLinear& linear, Value x) = 0;

  // Which experts each row of router logits [T, E] goes to: [T, 2k], k expert numbers and then their weights,
  // for experts().
  virtual Value route(const Routing& routing, Value logits) = 0;

  // x [T, D], routes [T, 2k] → [T, D]: the weighted sum of what the chosen experts make of a row.
  virtual Value experts(const Experts& experts, Value x, Value routes) = 0;

  // Rotates every head of x by its row's position.
  virtual Value rope(Value x, const Rope& rope) = 0;

  // q [T, H·C], k [T, K·C], v [T, K·Cv] → [T, H·Cv]. Appends k and v to each segment's cache, then attends
  // over it. Without v, values are the first Cv elements of the keys (CacheLayer::own_values). Without k as
  // well, the layer reads what another attention of this step has appended to spec.layer.
  virtual Value attention(const Attention& spec, Value q, Value k, Value v) = 0;
  Value attention(const Attention& spec, Value q, Value k) { return attention(spec, q, k, Value{}); }
  Value attention(const Attention& spec, Value q) { return attention(spec, q, Value{}, Value{}); }

  // x [T, D] → [T, D]: Σ over the taps of each column's weight times what the segment had there that many
  // rows ago, the newest last; plus bias. weight: D·kernel elements of any shape.
  virtual Value convolution(const Convolution& spec, Value x, const Tensor& weight, const Tensor* bias) = 0;

  // q, k [T, key_heads·key_dim], v [T, heads·value_dim], decay and beta [T, heads] → [T, heads·value_dim].
  // skip [heads]: none where null.
  virtual Value recurrence(const Recurrence& spec, Value q, Value k, Value v, Value decay, Value beta,
                           const Tensor* skip) = 0;

  // dt [T, H] → e^(-dt·e^a_log), a_log [H].
  virtual Value decay(Value dt, const Tensor& a_log) = 0;

  // b has the width of a, or one that divides it: each of its elements then meets a run of a's.
  virtual Value add(Value a, Value b) = 0;
  virtual Value multiply(Value a, Value b) = 0;

  // Every row with a parameter [n], n dividing the width; element i meets the parameter's i mod n.
  virtual Value add(Value x, const Tensor& parameter) = 0;
  virtual Value multiply(Value x, const Tensor& parameter) = 0;

  virtual Value scale(Value x, float factor) = 0;
  virtual Value scale(Value x, const PositionScale& factor) = 0;
  virtual Value clamp(Value x, float low, float high) = 0;
  virtual Value soft_cap(Value x, float cap) = 0;  // cap·tanh(x/cap)
  virtual Value activate(Activation activation, Value x) = 0;
  virtual Value activate(const Xielu& xielu, Value x) = 0;
  virtual Value gated(const Gating& gating, Value gate, Value up) = 0;

  // Columns [begin, begin + count) of x; with a `run`, of every run of that many columns, end to end.
  virtual Value columns(Value x, int begin, int count, int run = 0) = 0;

  // Values side by side; with `runs` > 1 each is cut in as many equal runs, and run i of all of them comes
  // before run i + 1 of any.
  virtual Value concat(std::span<const Value> values, int runs = 1) = 0;

  // Only the rows whose outputs the step wants.
  virtual Value out_rows(Value x) = 0;

  // Names a result. "logits" is always kept; "layers.<i>" (a block's output, all rows) only when the step
  // asks.
  virtual void output(std::string_view name, Value x) = 0;
};

}  // namespace pome::graph
