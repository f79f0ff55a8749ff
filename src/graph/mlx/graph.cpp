#include "graph/mlx/graph.h"

#include <cmath>
#include <numbers>

namespace pome::graph {
namespace {

// MLX's CPU kernel unpacks a quantized weight anew for every row: from this many rows on, decoding it once
// into memory and multiplying with BLAS is faster. Larger weights would take too much memory for that.
constexpr int many_rows = 8;
constexpr std::int64_t few_elements = std::int64_t{1} << 26;

mx::array half(const mx::array& x, const mx::array& factor) {
  return mx::multiply(mx::multiply(x, mx::array(0.5F)), factor);
}

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
  }
  fail(ErrorKind::internal, "activation {} is unknown", static_cast<int>(activation));
}

}  // namespace

MlxGraph::MlxGraph(WeightArrays& weights, const Step& step) : weights_(weights), step_(step) {
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

Value MlxGraph::rms_norm(Value x, const Tensor& weight, float eps) {
  return at_seam(weight.name, [&] {
    const mx::array& input = at(x);
    const int run = static_cast<int>(weight.elements());
    if (run == 0 || input.shape(1) % run != 0) {
      fail(ErrorKind::internal, "norm over {} elements does not divide {} columns", run, input.shape(1));
    }
    const mx::array runs = mx::reshape(input, {input.shape(0), input.shape(1) / run, run});
    return keep(mx::reshape(mx::fast::rms_norm(runs, weights_.as_float(weight), eps), input.shape()));
  });
}

Value MlxGraph::layer_norm(Value x, const Tensor& weight, const Tensor* bias, float eps) {
  return at_seam(weight.name, [&] {
    std::optional<mx::array> offset;
    if (bias != nullptr) offset = weights_.as_float(*bias);
    return keep(mx::fast::layer_norm(at(x), weights_.as_float(weight), offset, eps));
  });
}

Value MlxGraph::add(Value a, Value b) { return keep(mx::add(at(a), at(b))); }
Value MlxGraph::multiply(Value a, Value b) { return keep(mx::multiply(at(a), at(b))); }
Value MlxGraph::scale(Value x, float factor) { return keep(mx::multiply(at(x), mx::array(factor))); }
Value MlxGraph::activate(Activation activation, Value x) { return keep(activated(activation, at(x))); }

Value MlxGraph::columns(Value x, int begin, int count) {
  if (begin < 0 || count < 0 || begin + count > width(x)) {
    fail(ErrorKind::internal, "columns {} to {} of {}", begin, begin + count, width(x));
  }
  return keep(columns_of(at(x), begin, begin + count));
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
