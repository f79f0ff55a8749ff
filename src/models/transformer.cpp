#include "models/transformer.h"

#include <utility>

namespace pome::models {

std::vector<bool> sliding_layers(const std::vector<int>& windows) {
  std::vector<bool> sliding;
  for (const int window : windows) sliding.push_back(window > 0);
  return sliding;
}

Transformer::Transformer(TransformerSpec spec, Weights& weights)
    : Decoder(spec.c, weights, spec.names), spec_(std::move(spec)) {
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    if (!spec_.windows.empty()) plan_[i].window = spec_.windows[i];
    take_layer(weights, layer_path(i), i);
  }
  norm_ = take_norm(weights, "model.norm", c_, spec_.norm);
}

void Transformer::take_layer(Weights& weights, const std::string& at, std::size_t index) {
  const auto norm = [&](std::string_view name) -> std::optional<nn::Norm> {
    if (name.empty()) return std::nullopt;
    return take_norm(weights, at + std::string(name), c_, spec_.norm);
  };
  const auto qk_norm = [&](std::string_view name, int heads) -> std::optional<nn::Norm> {
    const std::string path = fmt::format("{}self_attn.{}.weight", at, name);
    nn::Norm taken{.eps = c_.norm_eps, .kind = spec_.norm.kind, .weight_offset = spec_.norm.weight_offset};
    switch (spec_.qk_norm.kind) {
      case QkNorm::Kind::none:
        return std::nullopt;
      case QkNorm::Kind::shared:
        taken.weight = weights.take(path, {c_.head_dim});
        break;
      case QkNorm::Kind::per_head:
        taken.weight = weights.take(path, {heads, c_.head_dim});
        taken.run = c_.head_dim;
        break;
      case QkNorm::Kind::whole:
        taken.weight = weights.take(path, {std::int64_t{heads} * c_.head_dim});
        break;
    }
    return taken;
  };
  Layer& layer = layers_.emplace_back();
  layer.before_attention = norm(spec_.norms.before_attention);
  layer.attention = take_attention(weights, at + "self_attn", c_, spec_.attention_bias);
  layer.q_norm = qk_norm(spec_.qk_norm.q, c_.num_attention_heads);
  layer.k_norm = qk_norm(spec_.qk_norm.k, c_.num_key_value_heads);
  layer.behind_attention = norm(spec_.norms.behind_attention);
  layer.before_mlp = norm(spec_.norms.before_mlp);
  if (spec_.feed_forward) {
    layer.mlp = spec_.feed_forward(weights, at, index);
  } else {
    layer.mlp.dense = take_gated_mlp(weights, at + "mlp", c_, spec_.mlp_bias);
  }
  layer.behind_mlp = norm(spec_.norms.behind_mlp);
}

Value Transformer::block(Graph& g, Value x, std::size_t i) const {
  const Layer& layer = layers_[i];
  const auto normed = [&](const std::optional<nn::Norm>& norm, Value v) {
    return norm ? nn::norm(g, *norm, v) : v;
  };
  const auto add = [&](Value change) {
    return g.add(x, spec_.residual_scale == 1 ? change : g.scale(change, spec_.residual_scale));
  };
  if (spec_.parallel) {
    const Value h = normed(layer.before_attention, x);
    x = add(attention(g, i, h));
    return add(feed_forward(g, i, h));
  }
  x = add(normed(layer.behind_attention, attention(g, i, normed(layer.before_attention, x))));
  return add(normed(layer.behind_mlp, feed_forward(g, i, normed(layer.before_mlp, x))));
}

Value Transformer::attention(Graph& g, std::size_t i, Value h) const {
  const nn::AttentionProjections& projections = layers_[i].attention;
  const auto [q, k, v] = prepare(g, i, nn::project_qkv(g, projections, h));
  return g.linear(*projections.o, attend(g, i, q, k, v));
}

Value Transformer::feed_forward(Graph& g, std::size_t i, Value h) const {
  return nn::feed_forward(g, layers_[i].mlp, h);
}

nn::Qkv Transformer::prepare(Graph& g, std::size_t i, nn::Qkv x) const {
  return rotate(g, i, normalize(g, i, x));
}

nn::Qkv Transformer::normalize(Graph& g, std::size_t i, nn::Qkv x) const {
  const Layer& layer = layers_[i];
  if (layer.q_norm) x.q = nn::norm(g, *layer.q_norm, x.q);
  if (layer.k_norm) x.k = nn::norm(g, *layer.k_norm, x.k);
  return x;
}

nn::Qkv Transformer::rotate(Graph& g, std::size_t i, nn::Qkv x) const {
  if (!rotates(i)) return x;
  const graph::Rope& rope = spec_.sliding_rope && plan_[i].window > 0 ? *spec_.sliding_rope : c_.rope;
  return {g.rope(x.q, rope), g.rope(x.k, rope), x.v};
}

}  // namespace pome::models
