// The operations of Graph, written down and then made into a Program.
#pragma once

#include "graph/cache.h"
#include "graph/cpu/program.h"

namespace pome::graph::cpu {

enum class NodeKind : std::uint8_t {
  embedding,
  linear,
  head_linear,
  route,
  experts,
  rms_norm,
  layer_norm,
  rope,
  attention,
  convolution,
  recurrence,
  decay,
  add,
  multiply,
  add_parameter,
  multiply_parameter,
  scale,
  position_scale,
  clamp,
  soft_cap,
  activate,
  xielu,
  gated,
  columns,
  concat,
  out_rows,
};

struct Node {
  NodeKind kind = NodeKind::embedding;
  std::vector<std::int32_t> inputs;
  RowSet rows = RowSet::all;
  int width = 0;
  const Linear* linear = nullptr;
  StoredMatrix matrix;         // of embedding, linear and head_linear
  kernels::Parameters weight;  // of norms and sums; of linear its bias
  kernels::Parameters bias;
  int period = 0;    // elements of `weight`
  int run = 0;       // elements of a norm's run, or of those that columns are taken of; runs of concat
  int begin = 0;     // of columns
  float factor = 0;  // of scale; a norm's eps; soft_cap's cap; clamp's lower end
  float other = 0;   // clamp's upper end
  int rope = 0;
  const HeadLinear* heads = nullptr;
  const Experts* experts = nullptr;
  Routing routing;
  Gating gating;  // of gated; `activation` also of activate
  Xielu xielu;
  PositionScale position_scale;
  Attention attention;
  Convolution convolution;
  Recurrence recurrence;
};

struct Recording {
  Shape shape;
  std::vector<Node> nodes;
  std::vector<Rope> ropes;
  std::vector<std::pair<std::string, std::int32_t>> outputs;
};

class Recorder final : public Graph {
 public:
  Recorder(Shape shape, const CachePlan& plan) : plan_(plan) { recording_.shape = shape; }

  const Recording& recording() const { return recording_; }

  int rows(Value x) const override { return recording_.shape.count(at(x).rows); }
  int width(Value x) const override { return at(x).width; }
  Value embedding(const Weight& table) override;
  Value linear(const Linear& linear, Value x) override;
  Value head_linear(const HeadLinear& linear, Value x) override;
  Value route(const Routing& routing, Value logits) override;
  Value experts(const Experts& experts, Value x, Value routes) override;
  using Graph::layer_norm;
  using Graph::rms_norm;
  Value rms_norm(Value x, const Norm& norm) override { return normalized(NodeKind::rms_norm, x, norm); }
  Value layer_norm(Value x, const Norm& norm) override { return normalized(NodeKind::layer_norm, x, norm); }
  Value rope(Value x, const Rope& rope) override;
  Value attention(const Attention& spec, Value q, Value k, Value v) override;
  Value convolution(const Convolution& spec, Value x, const Tensor& weight, const Tensor* bias) override;
  Value recurrence(const Recurrence& spec, Value q, Value k, Value v, Value decay, Value beta,
                   const Tensor* skip) override;
  Value decay(Value dt, const Tensor& a_log) override;
  Value add(Value a, Value b) override { return pairwise(NodeKind::add, a, b); }
  Value multiply(Value a, Value b) override { return pairwise(NodeKind::multiply, a, b); }
  Value add(Value x, const Tensor& p) override { return with_parameter(NodeKind::add_parameter, x, p); }
  Value multiply(Value x, const Tensor& p) override {
    return with_parameter(NodeKind::multiply_parameter, x, p);
  }
  Value scale(Value x, float factor) override;
  Value scale(Value x, const PositionScale& factor) override;
  Value clamp(Value x, float low, float high) override;
  Value soft_cap(Value x, float cap) override;
  Value activate(Activation activation, Value x) override;
  Value activate(const Xielu& xielu, Value x) override;
  Value gated(const Gating& gating, Value gate, Value up) override;
  Value columns(Value x, int begin, int count, int run) override;
  Value concat(std::span<const Value> values, int runs) override;
  Value out_rows(Value x) override;
  void output(std::string_view name, Value x) override;

 private:
  const Node& at(Value x) const;
  void check_state(int layer, std::int64_t size, RowSet rows) const;
  Node like(NodeKind kind, Value x) const;  // rows and width of x
  Value keep(Node node);
  Value pairwise(NodeKind kind, Value a, Value b);
  Value normalized(NodeKind kind, Value x, const Norm& norm);
  Value with_parameter(NodeKind kind, Value x, const Tensor& parameter);

  const CachePlan& plan_;
  Recording recording_;
  std::vector<const Rope*> known_ropes_;
};

// Leaves out what no output and no cache needs, joins what may be one phase, and plans the arena. `threads`
// decides how finely products are cut.
Program fuse(const Recording& recording, Arithmetic arithmetic, int threads);

}  // namespace pome::graph::cpu
