#include "models/recurrent.h"

#include <limits>

namespace pome::models {
namespace {

constexpr std::int64_t widest = 1 << 24;

float limit_of(const Json& value, std::string_view key) {
  if (value.is_object() && json_value<std::string>(value, "__float__", "") == "Infinity") {
    return std::numeric_limits<float>::infinity();
  }
  return static_cast<float>(json_as<double>(value, key));
}

}  // namespace

int add_slot(graph::CachePlan& plan, const graph::CacheLayer& layer) {
  plan.push_back(layer);
  return static_cast<int>(plan.size() - 1);
}

nn::Mamba2 take_mamba2(Weights& weights, const std::string& at, int hidden_size, const Mamba2Config& config,
                       graph::CachePlan& plan) {
  const auto& [heads, head_dim, groups, state, kernel, conv_bias, in_bias, out_bias, norm] = config;
  const std::int64_t inner = std::int64_t{heads} * head_dim;
  const std::int64_t convolved = inner + 2 * std::int64_t{groups} * state;
  if (heads % groups != 0 || inner % groups != 0 || kernel < 2 || kernel > 32 || inner > widest ||
      convolved > widest) {
    fail(ErrorKind::corrupt, "{}: {} heads of {}, {} groups of {} and {} taps make no layer", at, heads,
         head_dim, groups, state, kernel);
  }
  nn::Mamba2 mixer;
  mixer.in_proj = weights.linear(at + ".in_proj", inner + convolved + heads, hidden_size, in_bias);
  mixer.conv_weight = weights.take(at + ".conv1d.weight", {convolved, kernel, 1});
  if (conv_bias) mixer.conv_bias = weights.take(at + ".conv1d.bias", {convolved});
  mixer.dt_bias = weights.take(at + ".dt_bias", {heads});
  mixer.a_log = weights.take(at + ".A_log", {heads});
  mixer.d = weights.take(at + ".D", {heads});
  if (norm) mixer.norm = weights.take(at + ".norm.weight", {inner});
  mixer.out_proj = weights.linear(at + ".out_proj", hidden_size, inner, out_bias);
  mixer.norm_groups = groups;
  mixer.convolution.kernel = kernel;
  mixer.recurrence.heads = heads;
  mixer.recurrence.key_heads = groups;
  mixer.recurrence.key_dim = state;
  mixer.recurrence.value_dim = head_dim;
  mixer.convolution.layer =
      add_slot(plan, {.state_size = mixer.convolution.state_size(static_cast<int>(convolved))});
  mixer.recurrence.layer = add_slot(plan, {.state_size = mixer.recurrence.state_size()});
  return mixer;
}

void read_time_step_limit(Config& config, nn::Mamba2& mixer) {
  const Json* limit = config.find("time_step_limit");
  if (limit == nullptr) return;
  if (!limit->is_array() || limit->size() != 2) {
    fail(ErrorKind::corrupt, "{}: time_step_limit is no pair of numbers", config.subject());
  }
  mixer.least_time_step = limit_of((*limit)[0], "time_step_limit");
  mixer.most_time_step = limit_of((*limit)[1], "time_step_limit");
}

std::vector<std::string> read_layer_kinds(Config& config, std::string_view key, int num_hidden_layers) {
  const Json* kinds = config.find(key);
  if (kinds == nullptr || !kinds->is_array() ||
      kinds->size() != static_cast<std::size_t>(num_hidden_layers)) {
    fail(ErrorKind::corrupt, "{}: {} is no list of {} layers", config.subject(), key, num_hidden_layers);
  }
  std::vector<std::string> words;
  for (const Json& kind : *kinds) words.push_back(json_as<std::string>(kind, key));
  return words;
}

}  // namespace pome::models
