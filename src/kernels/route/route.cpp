#include "kernels/route/route.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace pome::kernels {
namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();

void softmax(const float* logits, int count, float* out) {
  const float top = *std::max_element(logits, logits + count);
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += out[i] = std::exp(logits[i] - top);
  for (int i = 0; i < count; ++i) out[i] /= sum;
}

// The indices of the `wanted` largest values, largest first; what is no number comes last.
void best(const float* values, int count, int wanted, int* indices) {
  std::iota(indices, indices + count, 0);
  const auto key = [&](int i) { return std::isnan(values[i]) ? nothing : values[i]; };
  std::partial_sort(indices, indices + wanted, indices + count,
                    [&](int a, int b) { return key(a) > key(b) || (key(a) == key(b) && a < b); });
}

void leave_best_groups(const RouteSpec& spec, float* scores) {
  const int size = spec.experts / spec.groups;
  float group_scores[most_experts];
  int order[most_experts];
  for (int g = 0; g < spec.groups; ++g) {
    const float* group = scores + g * size;
    best(group, size, spec.group_best, order);
    group_scores[g] = 0;
    for (int i = 0; i < spec.group_best; ++i) group_scores[g] += group[order[i]];
  }
  best(group_scores, spec.groups, spec.chosen_groups, order);
  for (int i = spec.chosen_groups; i < spec.groups; ++i) {
    std::fill_n(scores + order[i] * size, size, nothing);
  }
}

void route_sparse_mixer(const RouteSpec& spec, const float* logits, float* out) {
  // By what is left each time, that is by their logits: a choice never comes twice.
  int order[most_experts];
  best(logits, spec.experts, spec.chosen, order);
  for (int k = 0; k < spec.chosen; ++k) {
    const float top = logits[order[k]];
    float sum = 0;
    for (int i = 0; i < spec.experts; ++i) {
      const bool near = (top - logits[i]) / std::max(std::fabs(logits[i]), top) <= 2 * spec.jitter;
      if (near && std::find(order, order + k, i) == order + k) sum += std::exp(logits[i] - top);
    }
    out[k] = static_cast<float>(order[k]);
    out[spec.chosen + k] = 1 / sum;
  }
}

}  // namespace

void check(const RouteSpec& spec) {
  if (spec.experts > most_experts) {
    fail(ErrorKind::unsupported, "{} experts are more than the {} that can be routed to", spec.experts,
         most_experts);
  }
  if (spec.experts <= 0 || spec.chosen <= 0 || spec.groups <= 0 || spec.experts % spec.groups != 0 ||
      spec.chosen_groups <= 0 || spec.chosen_groups > spec.groups || spec.group_best <= 0 ||
      spec.group_best > spec.experts / spec.groups ||
      spec.chosen > spec.experts / spec.groups * spec.chosen_groups) {
    fail(ErrorKind::internal, "{} of {} experts, in {} of {} groups that count by their best {}", spec.chosen,
         spec.experts, spec.chosen_groups, spec.groups, spec.group_best);
  }
}

void route(const RouteSpec& spec, const float* logits, float* out) {
  if (spec.scores == ExpertScores::sparse_mixer) return route_sparse_mixer(spec, logits, out);
  float scores[most_experts], choice[most_experts];
  int order[most_experts];
  if (spec.scores == ExpertScores::softmax) {
    softmax(logits, spec.experts, scores);
  } else if (spec.scores == ExpertScores::sigmoid) {
    for (int e = 0; e < spec.experts; ++e) scores[e] = 1 / (1 + std::exp(-logits[e]));
  } else {
    std::copy_n(logits, spec.experts, scores);
  }
  // Scores run together where logits do not: without a correction the logits choose.
  const bool by_logits = spec.correction == nullptr && spec.groups == 1;
  std::copy_n(by_logits ? logits : scores, spec.experts, choice);
  if (spec.correction != nullptr) {
    for (int e = 0; e < spec.experts; ++e) choice[e] += spec.correction[e];
  }
  if (spec.groups > 1) leave_best_groups(spec, choice);
  best(choice, spec.experts, spec.chosen, order);

  float* weights = out + spec.chosen;
  for (int k = 0; k < spec.chosen; ++k) {
    out[k] = static_cast<float>(order[k]);
    weights[k] = scores[order[k]];
  }
  if (spec.scores == ExpertScores::softmax_of_chosen) softmax(weights, spec.chosen, weights);
  float sum = spec.epsilon;
  for (int k = 0; k < spec.chosen; ++k) sum += weights[k];
  for (int k = 0; k < spec.chosen; ++k) {
    if (spec.normalize) weights[k] /= sum;
    weights[k] *= spec.scale;
    if (spec.expert_scale != nullptr) weights[k] *= spec.expert_scale[order[k]];
  }
}

}  // namespace pome::kernels
