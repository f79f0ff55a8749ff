#include "graph/mlx/graph.h"

#include <cmath>
#include <numbers>

#include "graph/checks.h"

namespace pome::graph {
namespace {

// MLX's CPU kernel unpacks a quantized weight anew for every row: from this many rows on, decoding it once
// into memory and multiplying with BLAS is faster. Larger weights would take too much memory for that.
constexpr int many_rows = 8;
constexpr std::int64_t few_elements = std::int64_t{1} << 26;

mx::array half(const mx::array& x, const mx::array& factor) {
  return mx::multiply(mx::multiply(x, mx::array(0.5F)), factor);
}

}  // namespace

mx::array activated(Activation activation, const mx::array& x) {
  switch (activation) {
    case Activation::silu:
      return mx::multiply(x, mx::sigmoid(x));
    case Activation::gelu:
      return half(
          x, mx::add(mx::array(1.0F), mx::erf(mx::multiply(x, mx::array(std::numbers::sqrt2_v<float> / 2)))));
    case Activation::gelu_tanh: {
      const mx::array cube = mx::multiply(mx::multiply(x, x), x);
      const mx::array inner = mx::add(x, mx::multiply(cube, mx::array(0.044715F)));
      const float root = std::sqrt(2 * std::numbers::inv_pi_v<float>);
      return half(x, mx::add(mx::array(1.0F), mx::tanh(mx::multiply(inner, mx::array(root)))));
    }
    case Activation::relu:
      return mx::maximum(x, mx::array(0.0F));
    case Activation::relu_squared:
      return mx::square(mx::maximum(x, mx::array(0.0F)));
    case Activation::sigmoid:
      return mx::sigmoid(x);
    case Activation::tanh:
      return mx::tanh(x);
    case Activation::gelu_quick:
      return mx::multiply(x, mx::sigmoid(mx::multiply(x, mx::array(1.702F))));
    case Activation::softplus:
      return mx::logaddexp(x, mx::array(0.0F));
  }
  fail(ErrorKind::internal, "activation {} is unknown", static_cast<int>(activation));
}

mx::array gate_up(const Gating& gating, const mx::array& gate, const mx::array& up) {
  if (gating.limit <= 0) return mx::multiply(activated(gating.activation, gate), up);
  const mx::array most(gating.limit);
  const mx::array g = mx::minimum(gate, most);
  const mx::array u = mx::clip(up, mx::array(-gating.limit), most);
  const mx::array y = mx::multiply(g, mx::sigmoid(mx::multiply(g, mx::array(gating.alpha))));
  return mx::multiply(y, mx::add(u, mx::array(1.0F)));
}

MlxGraph::MlxGraph(WeightArrays& weights, const CachePlan& plan, const Step& step)
    : weights_(weights), plan_(plan), step_(step) {
  for (const Segment& segment : step.segments) {
    const int past = segment.cache == nullptr ? 0 : segment.cache->length();
    for (int i = 0; i < segment.length; ++i) {
      positions_.push_back(past + i);
      planned_length_.push_back(segment.planned_length);
      adapters_.push_back(segment.adapter);
    }
  }
}

const mx::array& MlxGraph::at(Value x) const {
  if (x.id < 0 || static_cast<std::size_t>(x.id) >= values_.size()) {
    fail(ErrorKind::internal, "value {} does not belong to this graph of {}", x.id, values_.size());
  }
  return values_[static_cast<std::size_t>(x.id)];
}

Value MlxGraph::keep(mx::array array) {
  values_.push_back(std::move(array));
  return {static_cast<std::int32_t>(values_.size() - 1)};
}

Value MlxGraph::embedding(const Weight& table) {
  const std::int64_t vocabulary = table.out_features();
  for (const std::int32_t token : step_.tokens) {
    if (token < 0 || token >= vocabulary) {
      fail(ErrorKind::usage, "token {} is outside the vocabulary of {}", token, vocabulary);
    }
  }
  const mx::array ids(step_.tokens.data(), {static_cast<int>(step_.tokens.size())}, mx::int32);
  const mx::array rows = mx::take(weights_.get(table.weight), ids, 0);
  if (!table.quantization) return keep(mx::astype(rows, mx::float32));
  const auto& [mode, bits, group_size] = *table.quantization;
  mx::array scales = mx::take(weights_.get(table.scales.value()), ids, 0);
  std::optional<mx::array> biases;
  if (table.biases) {
    scales = mx::astype(scales, mx::float32);
    biases = mx::astype(mx::take(weights_.get(*table.biases), ids, 0), mx::float32);
  }
  return keep(mx::dequantize(rows, scales, biases, group_size, bits, mode, std::nullopt, mx::float32));
}

mx::array MlxGraph::apply(const Weight& weight, const mx::array& x) {
  if (!weight.quantization) return mx::matmul(x, mx::transpose(weights_.as_float(weight.weight)));
  const auto& [mode, bits, group_size] = *weight.quantization;
  // Scales below float32 would pull the products down to their type.
  const mx::array scales =
      weight.biases ? weights_.as_float(weight.scales.value()) : weights_.get(weight.scales.value());
  std::optional<mx::array> biases;
  if (weight.biases) biases = weights_.as_float(*weight.biases);
  if (x.shape(0) >= many_rows && weight.out_features() * weight.in_features() <= few_elements) {
    const mx::array decoded = mx::dequantize(weights_.get(weight.weight), scales, biases, group_size, bits,
                                             mode, std::nullopt, mx::float32);
    return mx::matmul(x, mx::transpose(decoded));
  }
  return mx::quantized_matmul(x, weights_.get(weight.weight), scales, biases, true, group_size, bits, mode);
}

// Neighbouring rows with one adapter share a product; rows without one stay as they are.
mx::array MlxGraph::adapt(const Linear& linear, const mx::array& x, const mx::array& y) {
  const int rows = x.shape(0);
  // After out_rows() a matrix has one row for each of them, else one for each token.
  const bool all = rows == static_cast<int>(step_.tokens.size());
  const auto adapter_of = [&](int row) {
    const auto index = static_cast<std::size_t>(row);
    return adapters_[all || step_.out_rows.empty() ? index : static_cast<std::size_t>(step_.out_rows[index])];
  };
  std::vector<mx::array> runs;
  for (int begin = 0, end = 0; begin < rows; begin = end) {
    const int adapter = adapter_of(begin);
    while (end < rows && adapter_of(end) == adapter) ++end;
    mx::array run = rows_of(y, begin, end);
    if (const auto entry = linear.adapters.find(adapter); entry != linear.adapters.end()) {
      const LowRank& low_rank = entry->second;
      const mx::array inner = mx::matmul(rows_of(x, begin, end), weights_.as_float(low_rank.a));
      const mx::array change = mx::matmul(inner, weights_.as_float(low_rank.b));
      run = mx::add(run, mx::multiply(change, mx::array(low_rank.scale)));
      if (low_rank.row_scale) run = mx::multiply(run, weights_.as_float(*low_rank.row_scale));
    }
    runs.push_back(std::move(run));
  }
  return runs.size() == 1 ? runs[0] : mx::concatenate(std::move(runs), 0);
}

Value MlxGraph::linear(const Linear& linear, Value x) {
  return at_seam(linear.name, [&] {
    const mx::array& input = at(x);
    if (linear.weight.weight.shape.size() != 2 || linear.weight.in_features() != input.shape(1)) {
      fail(ErrorKind::internal, "weight {} does not fit {} columns", linear.weight.weight.shape_text(),
           input.shape(1));
    }
    mx::array y = apply(linear.weight, input);
    if (!linear.adapters.empty()) y = adapt(linear, input, y);
    if (linear.bias) y = mx::add(y, weights_.as_float(*linear.bias));
    return keep(std::move(y));
  });
}

// x [rows, width/n, n] times the norm's weight, plus its bias, in the shape of a matrix again.
mx::array MlxGraph::weighted(const mx::array& x, const Norm& norm) {
  mx::array y = x;
  if (norm.weight != nullptr) {
    const mx::array weight = mx::flatten(weights_.as_float(*norm.weight));
    y = mx::multiply(y, norm.weight_offset == 0 ? weight : mx::add(weight, mx::array(norm.weight_offset)));
  }
  if (norm.bias != nullptr) y = mx::add(y, mx::flatten(weights_.as_float(*norm.bias)));
  return mx::reshape(y, {x.shape(0), x.shape(1) * x.shape(2)});
}

namespace {

// [rows, width] as [rows, width/n, n] for n parameters, after `f` was applied to the last axis in runs.
template <class F>
mx::array in_runs(const mx::array& x, const Norm& norm, F f) {
  const int width = x.shape(1);
  check_norm(norm, width);
  const int period = norm.weight == nullptr ? width : static_cast<int>(norm.weight->elements());
  const int run = norm.run > 0 ? norm.run : period;
  return mx::reshape(f(mx::reshape(x, {x.shape(0), width / run, run})), {x.shape(0), width / period, period});
}

std::string_view name_of(const Norm& norm) {
  return norm.weight == nullptr ? std::string_view("norm") : std::string_view(norm.weight->name);
}

}  // namespace

Value MlxGraph::rms_norm(Value x, const Norm& norm) {
  return at_seam(std::string(name_of(norm)), [&] {
    return keep(weighted(
        in_runs(at(x), norm,
                [&](const mx::array& runs) { return mx::fast::rms_norm(runs, std::nullopt, norm.eps); }),
        norm));
  });
}

Value MlxGraph::layer_norm(Value x, const Norm& norm) {
  return at_seam(std::string(name_of(norm)), [&] {
    return keep(weighted(in_runs(at(x), norm,
                                 [&](const mx::array& runs) {
                                   return mx::fast::layer_norm(runs, std::nullopt, std::nullopt, norm.eps);
                                 }),
                         norm));
  });
}

Value MlxGraph::pair(Value a, Value b,
                     mx::array (*f)(const mx::array&, const mx::array&, mx::StreamOrDevice)) {
  check_pair(rows(a), width(a), rows(b), width(b));
  if (width(a) == width(b)) return keep(f(at(a), at(b), {}));
  const mx::array runs = mx::reshape(at(a), {rows(a), width(b), width(a) / width(b)});
  return keep(mx::reshape(f(runs, mx::expand_dims(at(b), 2), {}), at(a).shape()));
}

Value MlxGraph::add(Value a, Value b) { return pair(a, b, mx::add); }
Value MlxGraph::multiply(Value a, Value b) { return pair(a, b, mx::multiply); }

Value MlxGraph::add(Value x, const Tensor& parameter) {
  check_parameter(parameter, width(x));
  const int period = static_cast<int>(parameter.elements());
  const mx::array runs = mx::reshape(at(x), {rows(x), width(x) / period, period});
  return keep(mx::reshape(mx::add(runs, mx::flatten(weights_.as_float(parameter))), at(x).shape()));
}

Value MlxGraph::multiply(Value x, const Tensor& parameter) {
  check_parameter(parameter, width(x));
  const int period = static_cast<int>(parameter.elements());
  const mx::array runs = mx::reshape(at(x), {rows(x), width(x) / period, period});
  return keep(mx::reshape(mx::multiply(runs, mx::flatten(weights_.as_float(parameter))), at(x).shape()));
}

Value MlxGraph::scale(Value x, float factor) { return keep(mx::multiply(at(x), mx::array(factor))); }

Value MlxGraph::scale(Value x, const PositionScale& factor) {
  if (rows(x) != static_cast<int>(positions_.size())) {
    fail(ErrorKind::internal, "scale by position after out_rows()");
  }
  std::vector<float> factors;
  for (const std::int32_t position : positions_) factors.push_back(factor_at(factor, position));
  return keep(mx::multiply(at(x), mx::array(factors.data(), {rows(x), 1})));
}

Value MlxGraph::clamp(Value x, float low, float high) {
  return keep(mx::clip(at(x), mx::array(low), mx::array(high)));
}

Value MlxGraph::soft_cap(Value x, float cap) {
  return keep(mx::multiply(mx::tanh(mx::divide(at(x), mx::array(cap))), mx::array(cap)));
}

Value MlxGraph::activate(Activation activation, Value x) { return keep(activated(activation, at(x))); }

Value MlxGraph::activate(const Xielu& xielu, Value x) {
  const mx::array& v = at(x);
  const mx::array above = mx::multiply(mx::array(xielu.positive), mx::square(v));
  const mx::array curve = mx::subtract(mx::expm1(mx::minimum(v, mx::array(xielu.eps))), v);
  const mx::array below = mx::multiply(mx::array(xielu.negative), curve);
  return keep(mx::add(mx::where(mx::greater(v, mx::array(0.0F)), above, below),
                      mx::multiply(mx::array(xielu.beta), v)));
}

Value MlxGraph::gated(const Gating& gating, Value gate, Value up) {
  if (width(gate) != width(up)) {
    fail(ErrorKind::internal, "a gate of {} columns for {}", width(gate), width(up));
  }
  return keep(gate_up(gating, at(gate), at(up)));
}

Value MlxGraph::columns(Value x, int begin, int count, int run) {
  check_columns(width(x), begin, count, run);
  if (run == 0 || run == width(x)) return keep(columns_of(at(x), begin, begin + count));
  const mx::array runs = mx::reshape(at(x), {rows(x), width(x) / run, run});
  return keep(mx::reshape(columns_of(runs, begin, begin + count), {rows(x), width(x) / run * count}));
}

Value MlxGraph::concat(std::span<const Value> values, int runs) {
  std::vector<mx::array> parts;
  int whole = 0;
  for (const Value value : values) {
    if (runs <= 0 || rows(value) != rows(values[0]) || width(value) % runs != 0) {
      fail(ErrorKind::internal, "a matrix [{}, {}] cannot be joined to {} rows in {} runs", rows(value),
           width(value), rows(values[0]), runs);
    }
    parts.push_back(mx::reshape(at(value), {rows(value), runs, width(value) / runs}));
    whole += width(value);
  }
  if (parts.empty()) fail(ErrorKind::internal, "concat of nothing");
  return keep(mx::reshape(mx::concatenate(std::move(parts), 2), {rows(values[0]), whole}));
}

Value MlxGraph::out_rows(Value x) {
  // Row 0 stands in where nothing is wanted: it is never evaluated, and MLX has no use for empty matrices.
  const std::vector<std::int32_t> none{0};
  const std::vector<std::int32_t>& wanted = step_.out_rows.empty() ? none : step_.out_rows;
  return keep(mx::take(at(x), mx::array(wanted.data(), {static_cast<int>(wanted.size())}, mx::int32), 0));
}

void MlxGraph::output(std::string_view name, Value x) {
  if (name.starts_with("layers.") ? step_.layer_outputs : !step_.out_rows.empty()) {
    outputs_.insert_or_assign(std::string(name), at(x));
  }
}

}  // namespace pome::graph
