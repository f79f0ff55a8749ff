#include "graph/checks.h"

#include <cmath>

#include "base/error.h"

namespace pome::graph {

float factor_at(const PositionScale& scale, int position) {
  const float periods = std::floor(static_cast<float>(position + scale.offset) / scale.period);
  return 1 + scale.beta * std::log(1 + periods);
}

void check_norm(const Norm& norm, int width) {
  const std::int64_t period = norm.weight == nullptr ? width : norm.weight->elements();
  const std::int64_t run = norm.run > 0 ? norm.run : period;
  if (period <= 0 || width % period != 0 || period % run != 0) {
    fail(ErrorKind::internal, "norm over {} of {} elements does not divide {} columns", run, period, width);
  }
  if (norm.bias != nullptr && norm.bias->elements() != period) {
    fail(ErrorKind::internal, "norm of {} weights has {} biases", period, norm.bias->elements());
  }
}

void check_parameter(const Tensor& parameter, int width) {
  const std::int64_t period = parameter.elements();
  if (period <= 0 || width % period != 0) {
    fail(ErrorKind::internal, "parameter {} does not divide {} columns", parameter.shape_text(), width);
  }
}

void check_pair(int rows_a, int width_a, int rows_b, int width_b) {
  if (rows_a != rows_b || width_b <= 0 || width_a % width_b != 0) {
    fail(ErrorKind::internal, "matrices [{}, {}] and [{}, {}] do not fit each other", rows_a, width_a, rows_b,
         width_b);
  }
}

void check_convolution(const Convolution& spec, int width, const Tensor& weight, const Tensor* bias) {
  if (spec.kernel < 2 || spec.kernel > 32 || weight.elements() != std::int64_t{width} * spec.kernel ||
      (bias != nullptr && bias->elements() != width)) {
    fail(ErrorKind::internal, "convolution of {} taps with weight {} and bias {} does not fit {} columns",
         spec.kernel, weight.shape_text(), bias == nullptr ? "of no kind" : bias->shape_text(), width);
  }
}

void check_recurrence(const Recurrence& spec, const std::array<int, 5>& widths, const Tensor* skip) {
  const auto& [layer, heads, key_heads, key_dim, value_dim, delta] = spec;
  const std::array<int, 5> expected{key_heads * key_dim, key_heads * key_dim, heads * value_dim, heads,
                                    heads};
  if (heads <= 0 || key_heads <= 0 || key_dim <= 0 || value_dim <= 0 || heads % key_heads != 0 ||
      widths != expected || (skip != nullptr && skip->elements() != heads)) {
    fail(ErrorKind::internal, "recurrence of {} heads of {} over {} key heads of {} does not fit columns {}",
         heads, value_dim, key_heads, key_dim, fmt::join(widths, ", "));
  }
}

void check_attention(const Attention& spec, const CachePlan& plan, int q, int k, int v) {
  const int value_width = spec.kv_heads * spec.value_size();
  if (spec.kv_heads <= 0 || spec.heads % spec.kv_heads != 0 || q != spec.heads * spec.head_dim ||
      (k != 0 && k != spec.kv_heads * spec.head_dim) || (v != 0 && v != value_width) || (v != 0 && k == 0)) {
    fail(ErrorKind::internal,
         "{} heads over {} kv heads of {} and {} do not fit q, k, v of {}, {}, {} columns", spec.heads,
         spec.kv_heads, spec.head_dim, spec.value_size(), q, k, v);
  }
  if (spec.sinks != nullptr && spec.sinks->elements() != spec.heads) {
    fail(ErrorKind::internal, "{} heads have {} sinks", spec.heads, spec.sinks->elements());
  }
  if (const BlockSparse& s = spec.sparse; s.block < 0 || s.local < 1 || s.stride < 1 || s.head_step < 0 ||
                                          (s.block > 0 && (!spec.causal || s.local > (1 << 30) / s.block)) ||
                                          s.head_step > (1 << 30) / spec.heads) {
    fail(ErrorKind::internal, "attention to blocks of {}, {} of them local, stride {}, step {}", s.block,
         s.local, s.stride, s.head_step);
  }
  const auto layer = static_cast<std::size_t>(spec.layer);
  if (spec.layer < 0 || layer >= plan.size() || plan[layer].kv_heads != spec.kv_heads ||
      plan[layer].head_dim != spec.head_dim || plan[layer].value_size() != spec.value_size()) {
    fail(ErrorKind::internal, "the cache plan of {} layers has no layer {} with {} kv heads of {} and {}",
         plan.size(), spec.layer, spec.kv_heads, spec.head_dim, spec.value_size());
  }
  if (k != 0 && plan[layer].own_values != (v != 0)) {
    fail(ErrorKind::internal, "layer {} of the cache plan {} values of its own", spec.layer,
         plan[layer].own_values ? "keeps" : "has no");
  }
}

kernels::RouteSpec route_spec(const Routing& routing) {
  for (const Tensor* parameter : {routing.correction, routing.expert_scale}) {
    if (parameter == nullptr || parameter->elements() == routing.experts) continue;
    fail(ErrorKind::internal, "parameter {} for {} experts", parameter->shape_text(), routing.experts);
  }
  kernels::RouteSpec spec;
  spec.experts = routing.experts;
  spec.chosen = routing.chosen;
  spec.scores = static_cast<kernels::ExpertScores>(routing.scores);
  spec.groups = routing.groups;
  spec.chosen_groups = routing.chosen_groups;
  spec.group_best = routing.group_best;
  spec.normalize = routing.normalize;
  spec.epsilon = routing.epsilon;
  spec.scale = routing.scale;
  spec.jitter = routing.jitter;
  check(spec);
  return spec;
}

void check_columns(int width, int begin, int count, int run) {
  const int whole = run == 0 ? width : run;
  if (begin < 0 || count < 0 || run < 0 || begin > whole - count || (whole > 0 && width % whole != 0)) {
    fail(ErrorKind::internal, "columns {} to {} of {} in runs of {}", begin, begin + count, width, whole);
  }
}

}  // namespace pome::graph
