#include "graph/cpu/recorder.h"

#include <algorithm>

#include "base/error.h"
#include "graph/checks.h"
#include "kernels/attention/attention.h"

namespace pome::graph::cpu {
namespace {

// Runs `record` with the operation's name around its errors.
template <class Record>
auto named(std::string_view name, Record record) {
  try {
    return record();
  } catch (Error& e) {
    throw std::move(e).in(std::string(name));
  }
}

}  // namespace

const Node& Recorder::at(Value x) const {
  if (x.id < 0 || static_cast<std::size_t>(x.id) >= recording_.nodes.size()) {
    fail(ErrorKind::internal, "value {} does not belong to this graph of {}", x.id, recording_.nodes.size());
  }
  return recording_.nodes[static_cast<std::size_t>(x.id)];
}

Node Recorder::like(NodeKind kind, Value x) const {
  Node node;
  node.kind = kind;
  node.inputs = {x.id};
  node.rows = at(x).rows;
  node.width = at(x).width;
  return node;
}

Value Recorder::keep(Node node) {
  recording_.nodes.push_back(std::move(node));
  return {static_cast<std::int32_t>(recording_.nodes.size() - 1)};
}

Value Recorder::embedding(const Weight& table) {
  return named(table.weight.name, [&] {
    Node node;
    node.matrix = stored_matrix(table);
    node.width = std::visit([](const auto& m) { return m.columns; }, node.matrix);
    return keep(std::move(node));
  });
}

Value Recorder::linear(const Linear& linear, Value x) {
  return named(linear.name, [&] {
    Node node = like(NodeKind::linear, x);
    if (linear.weight.weight.shape.size() != 2 || linear.weight.in_features() != node.width) {
      fail(ErrorKind::internal, "weight {} does not fit {} columns", linear.weight.weight.shape_text(),
           node.width);
    }
    node.linear = &linear;
    node.matrix = stored_matrix(linear.weight);
    node.width = std::visit([](const auto& m) { return m.rows; }, node.matrix);
    if (linear.bias) {
      if (linear.bias->elements() != node.width) {
        fail(ErrorKind::internal, "bias {} does not fit {} outputs", linear.bias->shape_text(), node.width);
      }
      node.weight = parameters(*linear.bias);
    }
    return keep(std::move(node));
  });
}

Value Recorder::head_linear(const HeadLinear& linear, Value x) {
  return named(linear.name, [&] {
    Node node = like(NodeKind::head_linear, x);
    check_head_linear(linear, node.width);
    node.heads = &linear;
    node.matrix = stored_matrix(stacked_weight(linear.weight, 0));
    node.width = linear.heads() * linear.out_features();
    return keep(std::move(node));
  });
}

Value Recorder::route(const Routing& routing, Value logits) {
  Node node = like(NodeKind::route, logits);
  if (node.width != routing.experts) {
    fail(ErrorKind::internal, "{} logits for {} experts", node.width, routing.experts);
  }
  node.routing = routing;
  node.width = 2 * routing.chosen;
  return keep(std::move(node));
}

Value Recorder::experts(const Experts& experts, Value x, Value routes) {
  return named(experts.name, [&] {
    Node node = like(NodeKind::experts, x);
    node.inputs.push_back(routes.id);
    if (at(routes).rows != node.rows) {
      fail(ErrorKind::internal, "routes of {} rows for {}", rows(routes), rows(x));
    }
    check_experts(experts, node.width, width(routes));
    node.experts = &experts;
    return keep(std::move(node));
  });
}

Value Recorder::normalized(NodeKind kind, Value x, const Norm& norm) {
  const Tensor* weight = norm.weight;
  return named(weight == nullptr ? "norm" : weight->name, [&] {
    Node node = like(kind, x);
    check_norm(norm, node.width);
    node.period = weight == nullptr ? node.width : static_cast<int>(weight->elements());
    node.run = norm.run > 0 ? norm.run : node.period;
    if (weight != nullptr) node.weight = parameters(*weight);
    node.weight.offset = norm.weight_offset;
    if (norm.bias != nullptr) node.bias = parameters(*norm.bias);
    node.factor = norm.eps;
    return keep(std::move(node));
  });
}

Value Recorder::rope(Value x, const Rope& rope) {
  Node node = like(NodeKind::rope, x);
  if (rope.head_dim <= 0 || node.width % rope.head_dim != 0 || rope.dims > rope.head_dim ||
      rope.dims % 2 != 0) {
    fail(ErrorKind::internal, "rope of {} in heads of {} does not fit {} columns", rope.dims, rope.head_dim,
         node.width);
  }
  if (node.rows == RowSet::out) fail(ErrorKind::internal, "rope after out_rows()");
  const auto known = std::find(known_ropes_.begin(), known_ropes_.end(), &rope);
  node.rope = static_cast<int>(known - known_ropes_.begin());
  if (known == known_ropes_.end()) {
    known_ropes_.push_back(&rope);
    recording_.ropes.push_back(rope);
  }
  return keep(std::move(node));
}

Value Recorder::attention(const Attention& spec, Value q, Value k, Value v) {
  return named("attention of layer " + std::to_string(spec.layer), [&] {
    Node node = like(NodeKind::attention, q);
    node.width = spec.heads * spec.value_size();
    node.attention = spec;
    for (const Value x : {q, k, v}) {
      if (x.exists() && at(x).rows == RowSet::out) {
        fail(ErrorKind::internal, "attention after out_rows()");
      }
    }
    check_attention(spec, plan_, width(q), k.exists() ? width(k) : 0, v.exists() ? width(v) : 0);
    if (k.exists()) node.inputs.push_back(k.id);
    if (v.exists()) node.inputs.push_back(v.id);
    kernels::AttentionSpec heads;
    heads.heads = spec.heads;
    heads.kv_heads = spec.kv_heads;
    heads.head_dim = spec.head_dim;
    heads.value_dim = spec.value_dim;
    check(heads);
    return keep(std::move(node));
  });
}

void Recorder::check_state(int layer, std::int64_t size, RowSet rows) const {
  if (rows == RowSet::out) fail(ErrorKind::internal, "a state after out_rows()");
  if (layer < 0 || static_cast<std::size_t>(layer) >= plan_.size() ||
      plan_[static_cast<std::size_t>(layer)].state_size != size) {
    fail(ErrorKind::internal, "the cache plan of {} layers has no state of {} there", plan_.size(), size);
  }
}

Value Recorder::convolution(const Convolution& spec, Value x, const Tensor& weight, const Tensor* bias) {
  return named(weight.name, [&] {
    Node node = like(NodeKind::convolution, x);
    check_convolution(spec, node.width, weight, bias);
    check_state(spec.layer, spec.state_size(node.width), node.rows);
    node.convolution = spec;
    node.weight = parameters(weight);
    if (bias != nullptr) node.bias = parameters(*bias);
    return keep(std::move(node));
  });
}

Value Recorder::recurrence(const Recurrence& spec, Value q, Value k, Value v, Value decay, Value beta,
                           const Tensor* skip) {
  return named("recurrence of layer " + std::to_string(spec.layer), [&] {
    Node node = like(NodeKind::recurrence, v);
    check_recurrence(spec, {width(q), width(k), width(v), width(decay), width(beta)}, skip);
    for (const Value x : {q, k, v, decay, beta}) check_state(spec.layer, spec.state_size(), at(x).rows);
    node.inputs = {q.id, k.id, v.id, decay.id, beta.id};
    node.recurrence = spec;
    if (skip != nullptr) node.weight = parameters(*skip);
    return keep(std::move(node));
  });
}

Value Recorder::decay(Value dt, const Tensor& a_log) {
  return named(a_log.name, [&] {
    Node node = like(NodeKind::decay, dt);
    if (a_log.elements() != node.width) {
      fail(ErrorKind::internal, "decay {} does not fit {} heads", a_log.shape_text(), node.width);
    }
    node.weight = parameters(a_log);
    return keep(std::move(node));
  });
}

Value Recorder::pairwise(NodeKind kind, Value a, Value b) {
  Node node = like(kind, a);
  node.inputs.push_back(b.id);
  check_pair(rows(a), width(a), rows(b), width(b));
  return keep(std::move(node));
}

Value Recorder::with_parameter(NodeKind kind, Value x, const Tensor& parameter) {
  return named(parameter.name, [&] {
    Node node = like(kind, x);
    check_parameter(parameter, node.width);
    node.period = static_cast<int>(parameter.elements());
    node.weight = parameters(parameter);
    return keep(std::move(node));
  });
}

Value Recorder::scale(Value x, float factor) {
  Node node = like(NodeKind::scale, x);
  node.factor = factor;
  return keep(std::move(node));
}

Value Recorder::scale(Value x, const PositionScale& factor) {
  Node node = like(NodeKind::position_scale, x);
  if (node.rows == RowSet::out) fail(ErrorKind::internal, "scale by position after out_rows()");
  node.position_scale = factor;
  return keep(std::move(node));
}

Value Recorder::clamp(Value x, float low, float high) {
  Node node = like(NodeKind::clamp, x);
  node.factor = low;
  node.other = high;
  return keep(std::move(node));
}

Value Recorder::soft_cap(Value x, float cap) {
  Node node = like(NodeKind::soft_cap, x);
  node.factor = cap;
  return keep(std::move(node));
}

Value Recorder::activate(Activation activation, Value x) {
  Node node = like(NodeKind::activate, x);
  node.gating.activation = activation;
  return keep(std::move(node));
}

Value Recorder::activate(const Xielu& xielu, Value x) {
  Node node = like(NodeKind::xielu, x);
  node.xielu = xielu;
  return keep(std::move(node));
}

Value Recorder::gated(const Gating& gating, Value gate, Value up) {
  if (width(gate) != width(up)) {
    fail(ErrorKind::internal, "a gate of {} columns for {}", width(gate), width(up));
  }
  const Value value = pairwise(NodeKind::gated, gate, up);
  recording_.nodes.back().gating = gating;
  return value;
}

Value Recorder::columns(Value x, int begin, int count, int run) {
  Node node = like(NodeKind::columns, x);
  check_columns(node.width, begin, count, run);
  node.run = run == 0 ? node.width : run;
  node.begin = begin;
  node.width = node.width / std::max(node.run, 1) * count;
  return keep(std::move(node));
}

Value Recorder::concat(std::span<const Value> values, int runs) {
  if (values.empty()) fail(ErrorKind::internal, "concat of nothing");
  Node node = like(NodeKind::concat, values[0]);
  node.run = runs;
  node.inputs.clear();
  node.width = 0;
  for (const Value value : values) {
    if (runs <= 0 || at(value).rows != node.rows || width(value) % runs != 0) {
      fail(ErrorKind::internal, "a matrix [{}, {}] cannot be joined to {} rows in {} runs", rows(value),
           width(value), recording_.shape.count(node.rows), runs);
    }
    node.inputs.push_back(value.id);
    node.width += width(value);
  }
  return keep(std::move(node));
}

Value Recorder::out_rows(Value x) {
  Node node = like(NodeKind::out_rows, x);
  if (node.rows == RowSet::out) fail(ErrorKind::internal, "out_rows() of out_rows()");
  node.rows = RowSet::out;
  return keep(std::move(node));
}

void Recorder::output(std::string_view name, Value x) {
  at(x);
  const bool wanted =
      name.starts_with("layers.") ? recording_.shape.layer_outputs : recording_.shape.out_rows > 0;
  if (!wanted) return;
  for (auto& [known, id] : recording_.outputs) {
    if (known == name) {
      id = x.id;
      return;
    }
  }
  recording_.outputs.emplace_back(name, x.id);
}

}  // namespace pome::graph::cpu
