#include "models/mixture.h"

#include <algorithm>

#include "base/error.h"

namespace pome::models {
graph::Experts take_experts(Weights& weights, const std::string& at, const MixtureSizes& sizes,
                            graph::Activation activation) {
  const auto& [count, chosen, width, inner] = sizes;
  graph::Experts experts;
  experts.name = at;
  experts.count = count;
  experts.gating.activation = activation;
  if (auto both = weights.fused_stack(at + ".gate_proj", at + ".up_proj", count, inner, width)) {
    experts.gate = std::move(both->both);
    experts.fused = both->how;
  } else {
    experts.gate = weights.stack(at + ".gate_proj", count, inner, width);
    experts.up = weights.stack(at + ".up_proj", count, inner, width);
  }
  experts.down = weights.stack(at + ".down_proj", count, width, inner);
  return experts;
}

nn::Mixture take_mixture(Weights& weights, const std::string& at, const MixtureSizes& sizes,
                         graph::Activation activation, graph::Routing routing, const std::string& router) {
  if (sizes.chosen * routing.groups > sizes.experts * routing.chosen_groups ||
      routing.chosen_groups > routing.groups || sizes.experts % routing.groups != 0 ||
      routing.group_best > sizes.experts / routing.groups) {
    fail(ErrorKind::corrupt, "config.json: {} experts of {} cannot be chosen from {} of {} groups",
         sizes.chosen, sizes.experts, routing.chosen_groups, routing.groups);
  }
  nn::Mixture mixture;
  mixture.router = weights.linear(fmt::format("{}.{}", at, router), sizes.experts, sizes.width, false);
  mixture.routing = routing;
  mixture.routing.experts = sizes.experts;
  mixture.routing.chosen = sizes.chosen;
  mixture.experts = take_experts(weights, at + ".switch_mlp", sizes, activation);
  return mixture;
}

nn::GatedMlp take_gated_mlp(Weights& weights, const std::string& at, int width, int inner,
                            graph::Activation activation, bool bias) {
  nn::GatedMlp mlp;
  mlp.activation = activation;
  mlp.gate = weights.linear(at + ".gate_proj", inner, width, bias);
  mlp.up = weights.linear(at + ".up_proj", inner, width, bias);
  mlp.down = weights.linear(at + ".down_proj", width, inner, bias);
  return mlp;
}

int read_expert_count(Config& config, std::string_view key, std::string_view other_key) {
  const bool other = config.find(key) == nullptr && !other_key.empty() && config.find(other_key) != nullptr;
  return config.positive(other ? other_key : key);
}

TakeFeedForward feed_forward(const MixtureSpec& spec, const DecoderConfig& c, bool bias) {
  return [spec, c, bias](Weights& weights, const std::string& layer, std::size_t index) -> nn::FeedForward {
    const std::string at = layer + std::string(spec.module);
    if (!spec.layers.empty() && !spec.layers[index]) return {.dense = take_gated_mlp(weights, at, c, bias)};
    nn::Mixture mixture =
        take_mixture(weights, at, spec.sizes, c.hidden_act, spec.routing, std::string(spec.router));
    if (!spec.correction.empty()) {
      mixture.correction = weights.take(fmt::format("{}.{}", at, spec.correction), {spec.sizes.experts});
    }
    if (spec.shared_inner > 0) {
      const std::string shared = fmt::format("{}.{}", at, spec.shared);
      mixture.shared =
          take_gated_mlp(weights, shared, spec.sizes.width, spec.shared_inner, c.hidden_act, bias);
      if (spec.shared_gate) mixture.shared_gate = weights.linear(shared + "_gate", 1, c.hidden_size, false);
    }
    return {.mixture = std::move(mixture)};
  };
}

int read_shared_experts(Config& config, std::string_view key, int otherwise) {
  const int shared = config.get<int>(key, otherwise);
  if (shared < 0 || shared > 1024) fail(ErrorKind::corrupt, "{}: {} is {}", config.subject(), key, shared);
  return shared;
}

MixtureSpec read_grouped_mixture(Config& config, const DecoderConfig& c, bool softmax) {
  MixtureSpec mixture{.sizes = {.experts = read_expert_count(config, "n_routed_experts", "num_local_experts"),
                                .chosen = config.positive("num_experts_per_tok"),
                                .width = c.hidden_size,
                                .inner = config.positive("moe_intermediate_size")},
                      .shared = "shared_experts"};
  const auto expect = [&](const char* key, std::initializer_list<std::string_view> known) {
    const auto found = config.get<std::string>(key, std::string(*known.begin()));
    if (std::find(known.begin(), known.end(), found) != known.end()) return found;
    fail(ErrorKind::unsupported, "{}: {} \"{}\" is not implemented; nothing was loaded", config.subject(),
         key, found);
  };
  mixture.routing.scale = config.get<float>("routed_scaling_factor", 1);
  mixture.routing.groups = config.positive("n_group", 1);
  mixture.routing.chosen_groups = config.positive("topk_group", 1);
  const bool normalized = config.get<bool>("norm_topk_prob", !softmax);
  if (softmax) {
    expect("scoring_func", {"softmax"});
    if (expect("topk_method", {"greedy", "group_limited_greedy"}) == "greedy") {
      mixture.routing.groups = mixture.routing.chosen_groups = 1;
    }
  } else {
    expect("scoring_func", {"sigmoid"});
    expect("topk_method", {"noaux_tc"});
    mixture.routing.scores = graph::Routing::Scores::sigmoid;
    mixture.routing.group_best = 2;
    mixture.routing.normalize = normalized;
    mixture.routing.epsilon = 1e-20F;
    mixture.correction = "gate.e_score_correction_bias";
  }
  mixture.shared_inner = read_shared_experts(config, "n_shared_experts", 0) * mixture.sizes.inner;
  const int first = config.get<int>("first_k_dense_replace", 0);
  const int every = config.positive("moe_layer_freq", 1);
  for (int i = 0; i < c.num_hidden_layers; ++i) mixture.layers.push_back(i >= first && i % every == 0);
  mark_router_losses(config);
  return mixture;
}

void drop_next_token_layers(Config& config, Weights& weights, int num_hidden_layers) {
  int count = config.get<int>("num_nextn_predict_layers", 0);
  count = std::max(count, config.get<int>("num_mtp_layers", 0));
  for (int i = 0; i < std::min(count, 8); ++i) {
    weights.drop(fmt::format("model.layers.{}.*", num_hidden_layers + i));
  }
}

std::vector<bool> read_sparse_layers(Config& config, int num_hidden_layers) {
  const int step = config.positive("decoder_sparse_step", 1);
  std::vector<bool> sparse;
  for (int i = 0; i < num_hidden_layers; ++i) sparse.push_back((i + 1) % step == 0);
  const Json* dense = config.find("mlp_only_layers");
  if (dense != nullptr && !dense->is_array()) {
    fail(ErrorKind::corrupt, "{}: mlp_only_layers is no list", config.subject());
  }
  if (dense == nullptr) return sparse;
  for (const Json& entry : *dense) {
    const auto layer = json_as<int>(entry, "mlp_only_layers");
    if (layer >= 0 && layer < num_hidden_layers) sparse[static_cast<std::size_t>(layer)] = false;
  }
  return sparse;
}

void mark_router_losses(Config& config) {
  for (const char* key :
       {"output_router_logits", "router_aux_loss_coef", "router_z_loss_coef", "router_jitter_noise",
        "input_jitter_noise", "aux_loss_alpha", "seq_aux", "ep_size", "router_dtype"}) {
    config.mark_read(key);
  }
}

}  // namespace pome::models
