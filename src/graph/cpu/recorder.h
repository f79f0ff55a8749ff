// The operations of Graph, written down and then made into a Program.
#pragma once

#include "graph/cache.h"
#include "graph/cpu/program.h"

namespace pome::graph::cpu {

enum class NodeKind : std::uint8_t {
  embedding,
  linear,
  rms_norm,
  layer_norm,
  rope,
  attention,
  add,
  multiply,
  scale,
  activate,
  columns,
  out_rows,
};

struct Node {
  NodeKind kind = NodeKind::embedding;
  std::int32_t inputs[3] = {-1, -1, -1};
  RowSet rows = RowSet::all;
  int width = 0;
  const Linear* linear = nullptr;
  StoredMatrix matrix;         // of embedding and linear
  kernels::Parameters weight;  // of norms; of linear its bias
  kernels::Parameters bias;
  int run = 0;       // elements of a norm's run; first of columns
  float factor = 0;  // of scale; a norm's eps
  int rope = 0;
  Activation activation = Activation::silu;
  Attention attention;
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
  Value rms_norm(Value x, const Tensor& weight, float eps) override;
  Value layer_norm(Value x, const Tensor& weight, const Tensor* bias, float eps) override;
  Value rope(Value x, const Rope& rope) override;
  Value attention(const Attention& spec, Value q, Value k, Value v) override;
  Value add(Value a, Value b) override { return pairwise(NodeKind::add, a, b); }
  Value multiply(Value a, Value b) override { return pairwise(NodeKind::multiply, a, b); }
  Value scale(Value x, float factor) override;
  Value activate(Activation activation, Value x) override;
  Value columns(Value x, int begin, int count) override;
  Value out_rows(Value x) override;
  void output(std::string_view name, Value x) override;

 private:
  const Node& at(Value x) const;
  Node like(NodeKind kind, Value x) const;  // rows and width of x
  Value keep(Node node);
  Value pairwise(NodeKind kind, Value a, Value b);

  const CachePlan& plan_;
  Recording recording_;
  std::vector<const Rope*> known_ropes_;
};

// Leaves out what no output and no cache needs, joins what may be one phase, and plans the arena. `threads`
// decides how finely products are cut.
Program fuse(const Recording& recording, Arithmetic arithmetic, int threads);

}  // namespace pome::graph::cpu
