// Graph's operations, recorded as lazy MLX arrays for one step.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/mlx/cache.h"
#include "graph/mlx/weights.h"
#include "graph/step.h"

namespace pome::graph {

// Columns [begin, end) of the last axis.
mx::array columns_of(const mx::array& x, int begin, int end);

// Rows [begin, end) of a matrix.
mx::array rows_of(const mx::array& x, int begin, int end);

// As activate() and gated() do.
mx::array activated(Activation activation, const mx::array& x);
mx::array gate_up(const Gating& gating, const mx::array& gate, const mx::array& up);

class MlxGraph final : public Graph {
 public:
  // All of them and the step's caches outlive the graph. The caller has checked the step.
  MlxGraph(WeightArrays& weights, const CachePlan& plan, const Step& step);

  int rows(Value x) const override { return at(x).shape(0); }
  int width(Value x) const override { return at(x).shape(1); }
  Value embedding(const Weight& table) override;
  Value linear(const Linear& linear, Value x) override;
  using Graph::layer_norm;
  using Graph::rms_norm;
  Value head_linear(const HeadLinear& linear, Value x) override;
  Value route(const Routing& routing, Value logits) override;
  Value experts(const Experts& experts, Value x, Value routes) override;
  Value rms_norm(Value x, const Norm& norm) override;
  Value layer_norm(Value x, const Norm& norm) override;
  Value rope(Value x, const Rope& rope) override;
  Value attention(const Attention& spec, Value q, Value k, Value v) override;
  Value convolution(const Convolution& spec, Value x, const Tensor& weight, const Tensor* bias) override;
  Value recurrence(const Recurrence& spec, Value q, Value k, Value v, Value decay, Value beta,
                   const Tensor* skip) override;
  Value decay(Value dt, const Tensor& a_log) override;
  Value add(Value a, Value b) override;
  Value multiply(Value a, Value b) override;
  Value add(Value x, const Tensor& parameter) override;
  Value multiply(Value x, const Tensor& parameter) override;
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

  const std::map<std::string, mx::array, std::less<>>& outputs() const { return outputs_; }

 private:
  const mx::array& at(Value x) const;
  Value keep(mx::array array);
  mx::array weighted(const mx::array& x, const Norm& norm);
  Value pair(Value a, Value b, mx::array (*f)(const mx::array&, const mx::array&, mx::StreamOrDevice));
  mx::array apply(const Weight& weight, const mx::array& x);
  mx::array expert(const Experts& experts, int index, const mx::array& x);
  mx::array adapt(const Linear& linear, const mx::array& x, const mx::array& y);
  void check_all_rows(Value x) const;
  mx::array state_of(const Segment& segment, int layer, mx::Shape shape) const;
  static void replace_state(const Segment& segment, int layer, const mx::array& next);
  const KvView& view_of(const Attention& spec, std::size_t segment, Value k, Value v);
  mx::array attend(const Attention& spec, std::size_t segment, const mx::array& q, const KvView& view);
  const std::pair<mx::array, mx::array>& rope_tables(const Rope& rope);

  WeightArrays& weights_;
  const CachePlan& plan_;
  const Step& step_;
  std::vector<std::int32_t> positions_;       // by row
  std::vector<std::int32_t> planned_length_;  // by row
  std::vector<int> adapters_;                 // by row
  std::vector<mx::array> values_;
  std::map<std::pair<int, std::size_t>, KvView> views_;  // by layer and segment
  std::map<const Rope*, std::pair<mx::array, mx::array>> rope_tables_;
  std::map<std::string, mx::array, std::less<>> outputs_;
};

}  // namespace pome::graph
