#include "graph/experts.h"

#include "base/error.h"

namespace pome::graph {
namespace {

Tensor sub_matrix(const Tensor& stack, int index) {
  Tensor tensor = stack.slice_rows(index, 1);
  tensor.shape.erase(tensor.shape.begin());
  return tensor;
}

void check_matrices(const Experts& experts, const ExpertMatrices& matrices, std::int64_t out,
                    std::int64_t in) {
  const auto count = static_cast<std::int64_t>(matrices.parts.size());
  bool fits = count == 1 || count == experts.count;
  for (const Weight& weight : matrices.parts) {
    const std::vector<std::int64_t>& shape = weight.weight.shape;
    fits =
        fits && weight.in_features() == in && weight.out_features() == out &&
        (count == experts.count && shape.size() == 2 ? true : shape.size() == 3 && shape[0] == experts.count);
  }
  if (!fits || (matrices.bias && matrices.bias->elements() != experts.count * out)) {
    fail(ErrorKind::internal, "{} experts [{}, {}] do not fit {} tensors of {}", experts.count, out, in,
         count, matrices.parts.empty() ? "no shape" : matrices.parts[0].weight.shape_text());
  }
}

}  // namespace

Weight stacked_weight(const Weight& stack, int index) {
  Weight weight = stack;
  weight.weight = sub_matrix(stack.weight, index);
  if (stack.scales) weight.scales = sub_matrix(*stack.scales, index);
  if (stack.biases) weight.biases = sub_matrix(*stack.biases, index);
  return weight;
}

Weight expert_weight(const ExpertMatrices& matrices, int expert) {
  if (matrices.parts[0].weight.shape.size() == 3) return stacked_weight(matrices.parts[0], expert);
  return matrices.parts[static_cast<std::size_t>(expert)];
}

int inner_size(const Experts& experts) { return static_cast<int>(experts.down.parts.at(0).in_features()); }

void check_experts(const Experts& experts, int x_width, int routes_width) {
  if (experts.count <= 0 || routes_width <= 0 || routes_width % 2 != 0 || !experts.gate.exists() ||
      !experts.down.exists() || (experts.fused != Experts::Fused::no && experts.up.exists())) {
    fail(ErrorKind::internal, "{} experts for routes of {} columns", experts.count, routes_width);
  }
  const std::int64_t inner = inner_size(experts),
                     gate = experts.fused == Experts::Fused::no ? inner : 2 * inner;
  check_matrices(experts, experts.gate, gate, x_width);
  if (experts.up.exists()) check_matrices(experts, experts.up, inner, x_width);
  check_matrices(experts, experts.down, x_width, inner);
}

void check_head_linear(const HeadLinear& linear, int x_width) {
  const Tensor& stack = linear.weight.weight;
  if (stack.shape.size() != 3 || linear.first < 0 || linear.count < 0 ||
      linear.first + linear.out_features() > linear.weight.out_features() ||
      x_width != linear.heads() * linear.weight.in_features()) {
    fail(ErrorKind::internal, "rows {} to {} of {} do not fit {} columns", linear.first,
         linear.first + linear.count, stack.shape_text(), x_width);
  }
}

}  // namespace pome::graph
