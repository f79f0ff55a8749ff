// Matrices per head, routers and experts. The step's data is looked at here, expert by expert: MLX's own
// gathering products are not exact in float32.
#include <algorithm>

#include "graph/checks.h"
#include "graph/mlx/graph.h"

namespace pome::graph {
namespace {

std::vector<float> to_host(mx::array array) {
  array = mx::contiguous(mx::astype(array, mx::float32));
  array.eval();
  return {array.data<float>(), array.data<float>() + array.size()};
}

}  // namespace

Value MlxGraph::head_linear(const HeadLinear& linear, Value x) {
  return at_seam(linear.name, [&] {
    check_head_linear(linear, width(x));
    const int in = static_cast<int>(linear.weight.in_features());
    std::vector<mx::array> heads;
    for (int h = 0; h < linear.heads(); ++h) {
      const mx::array y = apply(stacked_weight(linear.weight, h), columns_of(at(x), h * in, (h + 1) * in));
      heads.push_back(columns_of(y, linear.first, linear.first + linear.out_features()));
    }
    return keep(mx::concatenate(std::move(heads), 1));
  });
}

Value MlxGraph::route(const Routing& routing, Value logits) {
  kernels::RouteSpec spec = route_spec(routing);
  if (width(logits) != routing.experts) {
    fail(ErrorKind::internal, "{} logits for {} experts", width(logits), routing.experts);
  }
  std::vector<float> correction, expert_scale;
  if (routing.correction != nullptr) correction = to_host(weights_.get(*routing.correction));
  if (routing.expert_scale != nullptr) expert_scale = to_host(weights_.get(*routing.expert_scale));
  if (!correction.empty()) spec.correction = correction.data();
  if (!expert_scale.empty()) spec.expert_scale = expert_scale.data();
  const std::vector<float> scores = to_host(at(logits));
  const int wide = 2 * routing.chosen;
  std::vector<float> routes(static_cast<std::size_t>(rows(logits)) * static_cast<std::size_t>(wide));
  for (int row = 0; row < rows(logits); ++row) {
    kernels::route(spec, scores.data() + std::ptrdiff_t{row} * routing.experts,
                   routes.data() + std::ptrdiff_t{row} * wide);
  }
  return keep(mx::array(routes.data(), {rows(logits), wide}));
}

mx::array MlxGraph::expert(const Experts& experts, int index, const mx::array& x) {
  const auto product = [&](const ExpertMatrices& matrices, const mx::array& input) {
    mx::array y = apply(expert_weight(matrices, index), input);
    if (!matrices.bias) return y;
    const mx::array bias = mx::reshape(weights_.as_float(*matrices.bias), {experts.count, y.shape(1)});
    return mx::add(y, rows_of(bias, index, index + 1));
  };
  mx::array hidden = product(experts.gate, x);
  const int inner = inner_size(experts), rows = x.shape(0);
  if (experts.fused == Experts::Fused::alternating) {
    const mx::array pairs = mx::reshape(hidden, {rows, inner, 2});
    hidden = gate_up(experts.gating, mx::reshape(columns_of(pairs, 0, 1), {rows, inner}),
                     mx::reshape(columns_of(pairs, 1, 2), {rows, inner}));
  } else if (experts.fused == Experts::Fused::halves) {
    hidden = gate_up(experts.gating, columns_of(hidden, 0, inner), columns_of(hidden, inner, 2 * inner));
  } else if (experts.up.exists()) {
    hidden = gate_up(experts.gating, hidden, product(experts.up, x));
  } else {
    hidden = activated(experts.gating.activation, hidden);
  }
  return product(experts.down, hidden);
}

Value MlxGraph::experts(const Experts& experts, Value x, Value routes) {
  return at_seam(experts.name, [&] {
    check_experts(experts, width(x), width(routes));
    const int chosen = width(routes) / 2;
    const std::vector<float> table = to_host(at(routes));
    const auto entry = [&](int row, int column) {
      return table[static_cast<std::size_t>(row) * static_cast<std::size_t>(2 * chosen) +
                   static_cast<std::size_t>(column)];
    };
    std::vector<std::vector<std::pair<int, int>>> pairs(static_cast<std::size_t>(experts.count));
    for (int row = 0; row < rows(x); ++row) {
      for (int k = 0; k < chosen; ++k) {
        const int e = std::clamp(static_cast<int>(entry(row, k)), 0, experts.count - 1);
        pairs[static_cast<std::size_t>(e)].emplace_back(row, k);
      }
    }
    std::vector<mx::array> results;
    std::vector<std::int32_t> place(static_cast<std::size_t>(rows(x) * chosen));  // of a row's choice
    std::int32_t next = 0;
    for (int e = 0; e < experts.count; ++e) {
      std::vector<std::int32_t> sources;
      std::vector<float> weights;
      for (const auto& [row, k] : pairs[static_cast<std::size_t>(e)]) {
        sources.push_back(row);
        weights.push_back(entry(row, chosen + k));
        place[static_cast<std::size_t>(row * chosen + k)] = next++;
      }
      if (sources.empty()) continue;
      const int count = static_cast<int>(sources.size());
      const mx::array scale(weights.data(), {count, 1});
      mx::array input = mx::take(at(x), mx::array(sources.data(), {count}, mx::int32), 0);
      if (experts.weigh_inputs) input = mx::multiply(input, scale);
      const mx::array y = expert(experts, e, input);
      results.push_back(experts.weigh_inputs ? y : mx::multiply(y, scale));
    }
    const mx::array all = mx::concatenate(std::move(results), 0);
    const mx::array order(place.data(), {rows(x), chosen}, mx::int32);
    return keep(mx::sum(mx::take(all, order, 0), 1));
  });
}

}  // namespace pome::graph
