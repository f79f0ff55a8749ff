// What may be one: products of one input, whose quantization they share; the sum behind a product; an
// activation and the product it gates; everything that works on single rows, quantization and the writing of
// keys and values included. None of it changes a value's bits.
#include <algorithm>

#include "graph/checks.h"
#include "graph/cpu/recorder.h"

namespace pome::graph::cpu {
namespace {

kernels::UnaryKind unary(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return kernels::UnaryKind::silu;
    case Activation::gelu:
      return kernels::UnaryKind::gelu;
    case Activation::gelu_tanh:
      return kernels::UnaryKind::gelu_tanh;
    case Activation::relu:
      return kernels::UnaryKind::relu;
    case Activation::relu_squared:
      return kernels::UnaryKind::relu_squared;
    case Activation::sigmoid:
      return kernels::UnaryKind::sigmoid;
    case Activation::gelu_quick:
      return kernels::UnaryKind::gelu_quick;
    case Activation::softplus:
      return kernels::UnaryKind::softplus;
    case Activation::tanh:
      break;
  }
  return kernels::UnaryKind::tanh;
}

bool writes_cache(NodeKind kind) {
  return kind == NodeKind::attention || kind == NodeKind::convolution || kind == NodeKind::recurrence;
}

class Fusion {
 public:
  Fusion(const Recording& recording, Arithmetic arithmetic, int threads)
      : recording_(recording), nodes_(recording.nodes), arithmetic_(arithmetic), threads_(threads) {
    program_.shape = recording.shape;
    program_.ropes = recording.ropes;
  }

  Program run() {
    find_users();
    views_.resize(nodes_.size());
    done_.resize(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (live_[i] && !done_[i]) emit(static_cast<int>(i));
    }
    emit_outputs();
    cut_products(program_, threads_);
    plan_arena(program_);
    return std::move(program_);
  }

 private:
  const Node& node(int id) const { return nodes_[static_cast<std::size_t>(id)]; }
  View& view(int id) { return views_[static_cast<std::size_t>(id)]; }
  const std::vector<int>& users(int id) const { return users_[static_cast<std::size_t>(id)]; }
  bool is_output(int id) const {
    return std::any_of(recording_.outputs.begin(), recording_.outputs.end(),
                       [id](const auto& output) { return output.second == id; });
  }
  // The one operation that reads this value, or -1.
  int only_user(int id) const { return users(id).size() == 1 && !is_output(id) ? users(id)[0] : -1; }

  void find_users() {
    live_.resize(nodes_.size());
    users_.resize(nodes_.size());
    for (const auto& [name, id] : recording_.outputs) live_[static_cast<std::size_t>(id)] = true;
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      if (writes_cache(nodes_[i].kind)) live_[i] = true;
      if (!live_[i]) continue;
      for (const std::int32_t input : nodes_[i].inputs) {
        live_[static_cast<std::size_t>(input)] = true;
        users_[static_cast<std::size_t>(input)].insert(users_[static_cast<std::size_t>(input)].begin(),
                                                       static_cast<int>(i));
      }
    }
  }

  int new_buffer(std::size_t bytes) {
    program_.buffers.push_back({.bytes = bytes});
    return static_cast<int>(program_.buffers.size() - 1);
  }

  View new_view(RowSet rows, int width) { return new_view(rows, width, width); }

  // Room for per_row floats for each of the rows, as rows of `width` floats.
  View new_view(RowSet rows, int per_row, int width) {
    const auto count = static_cast<std::size_t>(program_.shape.count(rows));
    return {new_buffer(count * static_cast<std::size_t>(per_row) * sizeof(float)), 0, width, width};
  }

  // A new matrix for a node's value.
  View make(int id) { return view(id) = new_view(node(id).rows, node(id).width); }

  void emit_row(RowSet rows, RowOp op) {
    if (!program_.phases.empty() && follows(program_.phases.back(), rows, op)) {
      program_.phases.back().ops.push_back(std::move(op));
      return;
    }
    if (program_.phases.empty() || program_.phases.back().kind != PhaseKind::rows ||
        program_.phases.back().rows != rows) {
      program_.phases.emplace_back().rows = rows;
    }
    program_.phases.back().ops.push_back(std::move(op));
  }

  // Whether an operation can be done to the columns of each chunk of these products apart, or to each kv
  // head's share of the columns that attention yields.
  bool follows(const Phase& phase, RowSet rows, const RowOp& op) const {
    if (phase.rows != rows || !works_by_columns(op)) return false;
    std::vector<View> made;
    if (phase.kind == PhaseKind::attention) {
      made.push_back(phase.out);
      const int share = phase.out.width / phase.attention.kv_heads;
      if (op.kind == RowKind::quantize && share % columns_together(format_of(op.index)) != 0) return false;
    } else if (phase.kind == PhaseKind::products) {
      if (program_.shape.count(rows) > few_rows) return false;  // finer chunks of single products are quicker
      for (const Product& product : phase.products) made.push_back(product.out);
    } else {
      return false;
    }
    const auto as_wide = [&](const View& view) { return !view.exists() || view.width == made[0].width; };
    return std::all_of(made.begin(), made.end(), as_wide) && as_wide(op.a) && as_wide(op.b) &&
           as_wide(op.out) &&
           std::all_of(made.begin(), made.end(), [&](const View& v) { return agrees(op, v); }) &&
           agrees(op, phase.ops);
  }

  // Whether an operation touches a view as a whole or not at all.
  static bool agrees(const RowOp& op, const View& view) {
    const auto whole_or_not = [&](const View& own) {
      return own.buffer != view.buffer || own == view || own.column + own.width <= view.column ||
             view.column + view.width <= own.column;
    };
    return whole_or_not(op.a) && whole_or_not(op.b) && whole_or_not(op.out);
  }
  static bool agrees(const RowOp& op, std::span<const RowOp> others) {
    return std::all_of(others.begin(), others.end(), [&](const RowOp& other) {
      return agrees(op, other.a) && agrees(op, other.b) && agrees(op, other.out);
    });
  }

  const kernels::ActivationFormat& format_of(int quantized) const {
    return program_.quantized[static_cast<std::size_t>(quantized)].format;
  }

  bool works_by_columns(const RowOp& op) const {
    switch (op.kind) {
      case RowKind::quantize:
        return columns_together(format_of(op.index)) > 0;
      case RowKind::add:
      case RowKind::multiply:
      case RowKind::scale:
      case RowKind::clamp:
      case RowKind::soft_cap:
      case RowKind::activate:
      case RowKind::xielu:
      case RowKind::activate_gated:
      case RowKind::clamped_swiglu:
        return true;
      default:
        return false;
    }
  }

  void emit(int id) {
    const Node& n = node(id);
    done_[static_cast<std::size_t>(id)] = true;
    RowOp op;
    op.factor = n.factor;
    op.other = n.other;
    op.run = n.run;
    op.index = n.period;
    op.weight = n.weight;
    op.bias = n.bias;
    op.activation = unary(n.gating.activation);
    if (!n.inputs.empty()) op.a = view(n.inputs[0]);
    if (n.inputs.size() > 1) op.b = view(n.inputs[1]);
    switch (n.kind) {
      case NodeKind::embedding:
        op.kind = RowKind::embed;
        op.index = static_cast<int>(program_.tables.size());
        program_.tables.push_back(n.matrix);
        break;
      case NodeKind::linear:
        return emit_linear(id);
      case NodeKind::attention:
        return emit_attention(id);
      case NodeKind::head_linear:
        return emit_heads(id);
      case NodeKind::experts:
        return emit_experts(id);
      case NodeKind::route:
        op.kind = RowKind::route;
        op.index = add_router(n.routing);
        break;
      case NodeKind::convolution:
      case NodeKind::recurrence:
        return emit_state(id);
      case NodeKind::decay:
        op.kind = RowKind::decay;
        break;
      case NodeKind::columns:
        if (n.run == node(n.inputs[0]).width) {
          view(id) = op.a;
          view(id).column += n.begin;
          view(id).width = n.width;
          return;
        }
        op.kind = RowKind::copy_runs;
        op.a.column += n.begin;
        op.step = n.run;
        op.run = op.out_step = n.width / (node(n.inputs[0]).width / n.run);
        break;
      case NodeKind::concat:
        return emit_concat(id);
      case NodeKind::rms_norm:
        op.kind = RowKind::rms_norm;
        break;
      case NodeKind::layer_norm:
        op.kind = RowKind::layer_norm;
        break;
      case NodeKind::rope:
        return emit_rope(id, op);
      case NodeKind::add:
        op.kind = RowKind::add;
        break;
      case NodeKind::multiply:
        op.kind = RowKind::multiply;
        for (const int side : {0, 1}) {
          const Node& gate = node(n.inputs[static_cast<std::size_t>(side)]);
          if (done_[static_cast<std::size_t>(n.inputs[static_cast<std::size_t>(side)])] != 0) continue;
          op.kind = RowKind::activate_gated;
          op.activation = unary(gate.gating.activation);
          op.a = view(gate.inputs[0]);
          op.b = view(n.inputs[static_cast<std::size_t>(1 - side)]);
        }
        break;
      case NodeKind::add_parameter:
        op.kind = RowKind::add_parameter;
        break;
      case NodeKind::multiply_parameter:
        op.kind = RowKind::multiply_parameter;
        break;
      case NodeKind::scale:
        op.kind = RowKind::scale;
        break;
      case NodeKind::position_scale:
        op.kind = RowKind::position_scale;
        op.position_scale = n.position_scale;
        break;
      case NodeKind::clamp:
        op.kind = RowKind::clamp;
        break;
      case NodeKind::soft_cap:
        op.kind = RowKind::soft_cap;
        break;
      case NodeKind::xielu:
        op.kind = RowKind::xielu;
        op.xielu = {n.xielu.positive, n.xielu.negative, n.xielu.beta, n.xielu.eps};
        break;
      case NodeKind::gated:
        op.kind = n.gating.limit > 0 ? RowKind::clamped_swiglu : RowKind::activate_gated;
        op.factor = n.gating.limit;
        op.other = n.gating.alpha;
        break;
      case NodeKind::activate:
        if (waits_for_product(id)) {
          done_[static_cast<std::size_t>(id)] = false;
          return;
        }
        op.kind = RowKind::activate;
        break;
      case NodeKind::out_rows:
        op.kind = RowKind::gather;
        break;
    }
    op.out = make(id);
    emit_row(n.rows, std::move(op));
  }

  // An activation that only gates a product is computed with it; of two, the second.
  bool waits_for_product(int id) const {
    const int user = only_user(id);
    if (user < 0 || node(user).kind != NodeKind::multiply) return false;
    const auto& inputs = node(user).inputs;
    const int other = inputs[0] == id ? inputs[1] : inputs[0];
    if (node(other).width != node(id).width) return false;
    return other != id && (node(other).kind != NodeKind::activate || other < id);
  }

  void emit_rope(int id, RowOp op) {
    const int x = node(id).inputs[0];
    if (only_user(x) == id && node(x).kind != NodeKind::columns) {
      view(id) = op.a;
    } else {
      view(id) = make(id);
      RowOp copy;
      copy.a = op.a;
      copy.out = view(id);
      emit_row(node(id).rows, copy);
    }
    op.kind = RowKind::rope;
    op.index = node(id).rope;
    op.out = view(id);
    emit_row(node(id).rows, std::move(op));
  }

  void emit_concat(int id) {
    const Node& n = node(id);
    const View whole = make(id);
    int column = 0;
    for (const int input : n.inputs) {
      RowOp op;
      op.kind = RowKind::copy_runs;
      op.a = view(input);
      op.run = op.step = node(input).width / n.run;
      op.out = whole;
      op.out.column += column;
      op.out.width = node(input).width;
      op.out_step = n.width / n.run;
      column += op.run;
      emit_row(n.rows, op);
    }
  }

  void emit_attention(int id) {
    const Node& n = node(id);
    if (n.inputs.size() > 1) {
      RowOp store;
      store.kind = RowKind::store;
      store.a = view(n.inputs[1]);
      if (n.inputs.size() > 2) store.b = view(n.inputs[2]);
      store.index = n.attention.layer;
      store.run = n.attention.head_dim;
      emit_row(RowSet::all, store);
    }
    Phase phase;
    phase.kind = PhaseKind::attention;
    phase.before = take_by_heads(n.attention.kv_heads);
    phase.input = view(n.inputs[0]);
    phase.attention = n.attention;
    phase.sinks = floats(n.attention.sinks);
    phase.out = make(id);
    program_.phases.push_back(std::move(phase));
  }

  // Takes from the end of what is done to rows that which needs nothing but a kv head's share of the columns.
  std::vector<RowOp> take_by_heads(int kv_heads) {
    if (program_.phases.empty()) return {};
    Phase& last = program_.phases.back();
    if (last.kind != PhaseKind::rows || last.rows != RowSet::all) return {};
    auto first = last.ops.end();
    while (first != last.ops.begin() && works_by_heads(*(first - 1), kv_heads) &&
           agrees(*(first - 1), {first, last.ops.end()})) {
      --first;
    }
    std::vector<RowOp> taken(first, last.ops.end());
    last.ops.erase(first, last.ops.end());
    if (last.ops.empty()) program_.phases.pop_back();
    return taken;
  }

  bool works_by_heads(const RowOp& op, int kv_heads) const {
    for (const View& view : {op.a, op.b, op.out}) {
      if (view.exists() && view.width % kv_heads != 0) return false;
    }
    if (op.kind == RowKind::store) return true;
    const int share = op.out.width / kv_heads;
    if (op.a.width != op.out.width || (op.b.exists() && op.b.width != op.out.width)) return false;
    switch (op.kind) {
      case RowKind::rms_norm:
      case RowKind::layer_norm:
        return share % op.index == 0;
      case RowKind::rope:
        return share % program_.ropes[static_cast<std::size_t>(op.index)].head_dim == 0;
      case RowKind::copy:
      case RowKind::position_scale:
        return true;
      default:
        return op.kind != RowKind::quantize && works_by_columns(op);
    }
  }

  void emit_state(int id) {
    const Node& n = node(id);
    Phase phase;
    phase.kind = n.kind == NodeKind::convolution ? PhaseKind::convolution : PhaseKind::recurrence;
    phase.input = view(n.inputs[0]);
    for (std::size_t i = 1; i < n.inputs.size(); ++i) phase.others.push_back(view(n.inputs[i]));
    phase.convolution = n.convolution;
    phase.recurrence = n.recurrence;
    phase.weight = n.weight;
    phase.bias = n.bias;
    phase.out = make(id);
    program_.phases.push_back(std::move(phase));
  }

  static std::vector<float> floats(const Tensor* tensor) {
    if (tensor == nullptr) return {};
    const auto count = static_cast<int>(tensor->elements());
    std::vector<float> values(static_cast<std::size_t>(count));
    const kernels::Parameters stored = parameters(*tensor);
    kernels::decode_row(kernels::DenseMatrix{stored.data, stored.type, 1, count}, 0, 0, count, values.data());
    return values;
  }

  int add_router(const Routing& routing) {
    program_.routers.push_back(
        {route_spec(routing), floats(routing.correction), floats(routing.expert_scale)});
    return static_cast<int>(program_.routers.size() - 1);
  }

  void emit_heads(int id) {
    const Node& n = node(id);
    Phase phase;
    phase.kind = PhaseKind::heads;
    phase.rows = n.rows;
    phase.input = view(n.inputs[0]);
    phase.heads.heads = n.heads->heads();
    phase.heads.first = n.heads->first;
    phase.heads.rows = static_cast<int>(n.heads->weight.out_features());
    phase.heads.matrix = n.matrix;
    phase.heads.activations =
        room_for_activations(n.matrix, n.rows, phase.heads.heads, phase.input.width / phase.heads.heads,
                             program_.shape.count(n.rows));
    phase.out = make(id);
    program_.phases.push_back(std::move(phase));
  }

  // Room for per_row · rows rows that the phase itself quantizes for this matrix; -1 where it takes floats.
  // `at_a_time`: of those rows that meet one matrix.
  int room_for_activations(const StoredMatrix& matrix, RowSet rows, int per_row, int columns, int at_a_time) {
    const std::optional<kernels::ActivationFormat> format = format_for(matrix, at_a_time);
    if (!format) return -1;
    const std::size_t bytes =
        kernels::activation_bytes(*format, program_.shape.count(rows) * per_row, columns);
    program_.quantized.push_back({*format, rows, per_row, columns, new_buffer(bytes)});
    return static_cast<int>(program_.quantized.size() - 1);
  }

  void emit_experts(int id) {
    const Node& n = node(id);
    const Experts& experts = *n.experts;
    ExpertsWork work;
    work.gate = StoredExperts(experts.gate);
    work.up = StoredExperts(experts.up);
    work.down = StoredExperts(experts.down);
    work.count = experts.count;
    work.chosen = node(n.inputs[1]).width / 2;
    work.inner = inner_size(experts);
    work.fused = experts.fused;
    work.activation = unary(experts.gating.activation);
    work.gating = experts.gating;
    work.weigh_inputs = experts.weigh_inputs;
    work.one_row = program_.shape.count(n.rows) == 1 && !experts.weigh_inputs;
    work.routes = view(n.inputs[1]);
    const int per_expert = std::max(1, program_.shape.count(n.rows) * work.chosen / std::max(1, work.count));
    work.gate_activations = room_for_activations(work.gate.first(), n.rows, work.chosen, n.width, per_expert);
    bool floats_needed = work.gate_activations < 0;
    if (work.up.exists()) {
      work.up_activations =
          format_for(work.up.first(), per_expert) == format_for(work.gate.first(), per_expert)
              ? work.gate_activations
              : room_for_activations(work.up.first(), n.rows, work.chosen, n.width, per_expert);
      floats_needed = floats_needed || work.up_activations < 0;
    }
    const auto by_pair = [&](int width) { return new_view(n.rows, work.chosen * width, width); };
    if (work.weigh_inputs || (floats_needed && !work.one_row)) work.gathered = by_pair(n.width);
    const bool gated = work.up.exists() || work.fused != Experts::Fused::no;
    work.hidden = by_pair(gated ? 2 * work.inner : work.inner);
    work.products = by_pair(work.inner);
    work.down_activations =
        room_for_activations(work.down.first(), n.rows, work.chosen, work.inner, per_expert);
    work.outputs = by_pair(n.width);
    const int apart = work.down_activations < 0 ? 1 : columns_together(format_of(work.down_activations));
    work.by_columns = program_.shape.count(n.rows) <= few_rows && apart > 0 &&
                      ExpertsWork::columns % apart == 0 && work.fused != Experts::Fused::alternating;
    Phase phase;
    phase.kind = PhaseKind::experts;
    phase.rows = n.rows;
    phase.input = view(n.inputs[0]);
    phase.experts = static_cast<int>(program_.experts.size());
    phase.out = make(id);
    program_.experts.push_back(std::move(work));
    program_.phases.push_back(std::move(phase));
  }

  // How rows of x are quantized for this matrix, which some `rows` of them meet at a time; nothing where
  // products take floats.
  std::optional<kernels::ActivationFormat> format_for(const StoredMatrix& matrix, int rows) const {
    if (arithmetic_ == Arithmetic::exact) return std::nullopt;
    const auto precision =
        arithmetic_ == Arithmetic::fast ? kernels::Precision::fast : kernels::Precision::standard;
    if (const auto* affine = std::get_if<kernels::QuantizedMatrix>(&matrix)) {
      return activation_format(*affine, precision, rows);
    }
    if (const auto* dense = std::get_if<kernels::DenseMatrix>(&matrix)) {
      return activation_format(*dense, precision, rows);
    }
    const auto& other = std::get<kernels::ModeMatrix>(matrix);
    if (const auto fp4 = kernels::fp4_view(other)) return activation_format(*fp4, precision);
    const auto view = kernels::block_float_view(other);
    return view ? activation_format(*view, rows) : std::nullopt;
  }

  // Index of x quantized for this matrix; -1 where its products take floats.
  int quantized_input(const StoredMatrix& matrix, int x) {
    const std::optional<kernels::ActivationFormat> wanted =
        format_for(matrix, program_.shape.count(node(x).rows));
    if (!wanted) return -1;
    const kernels::ActivationFormat& format = *wanted;
    for (const auto& [source, index] : quantized_) {
      if (source == x && program_.quantized[static_cast<std::size_t>(index)].format == format) return index;
    }
    const RowSet rows = node(x).rows;
    const int columns = node(x).width;
    const int index = static_cast<int>(program_.quantized.size());
    program_.quantized.push_back(
        {format, rows, 1, columns,
         new_buffer(kernels::activation_bytes(format, program_.shape.count(rows), columns))});
    quantized_.emplace_back(x, index);
    RowOp op;
    op.kind = RowKind::quantize;
    op.a = view(x);
    op.index = index;
    emit_row(rows, op);
    return index;
  }

  void emit_linear(int id) {
    const int x = node(id).inputs[0];
    std::vector<int> group;
    for (const int user : users(x)) {
      if (node(user).kind == NodeKind::linear && user >= id) group.push_back(user);
    }
    std::vector<int> activations;
    for (const int member : group) activations.push_back(quantized_input(node(member).matrix, x));
    Phase phase;
    phase.kind = PhaseKind::products;
    phase.rows = node(id).rows;
    phase.input = view(x);
    for (std::size_t i = 0; i < group.size(); ++i) {
      const int member = group[i];
      const Node& n = node(member);
      done_[static_cast<std::size_t>(member)] = true;
      Product product;
      product.linear = n.linear;
      product.matrix = n.matrix;
      product.bias = n.weight;
      product.activations = activations[i];
      if (const int sum = group.size() == 1 ? only_user(member) : -1;
          sum >= 0 && node(sum).kind == NodeKind::add) {
        const int other = node(sum).inputs[0] == member ? node(sum).inputs[1] : node(sum).inputs[0];
        if (other < member && node(other).width == n.width) {
          product.residual = view(other);
          product.out = make(sum);
          done_[static_cast<std::size_t>(sum)] = true;
        }
      }
      if (!product.out.exists()) product.out = make(member);
      phase.products.push_back(std::move(product));
    }
    program_.phases.push_back(std::move(phase));
  }

  // Outputs are computed straight into the caller's matrices, where they are not part of another value.
  void emit_outputs() {
    for (const auto& [name, id] : recording_.outputs) {
      const Node& n = node(id);
      View from = view(id);
      const bool whole = from.column == 0 && from.width == from.stride;
      if (!whole || program_.buffers[static_cast<std::size_t>(from.buffer)].output >= 0) {
        RowOp copy;
        copy.a = from;
        copy.out = from = new_view(n.rows, n.width);
        emit_row(n.rows, copy);
      }
      program_.buffers[static_cast<std::size_t>(from.buffer)].output =
          static_cast<int>(program_.outputs.size());
      program_.outputs.push_back({name, n.rows, n.width});
    }
  }

  const Recording& recording_;
  const std::vector<Node>& nodes_;
  Arithmetic arithmetic_;
  int threads_;
  Program program_;
  std::vector<char> live_;
  std::vector<char> done_;
  std::vector<std::vector<int>> users_;
  std::vector<View> views_;
  std::vector<std::pair<int, int>> quantized_;  // value, index
};

}  // namespace

Program fuse(const Recording& recording, Arithmetic arithmetic, int threads) {
  return Fusion(recording, arithmetic, threads).run();
}

}  // namespace pome::graph::cpu
