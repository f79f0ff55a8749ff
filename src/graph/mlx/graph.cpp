#include "graph/mlx/graph.h"

#include <cmath>
#include <numbers>

namespace pome::graph {
namespace {

mx::array columns_of(const mx::array& x, int begin, int end) {
  mx::Shape from(x.ndim(), 0);
  mx::Shape to = x.shape();
  from[static_cast<std::size_t>(x.ndim() - 1)] = begin;
  to[static_cast<std::size_t>(x.ndim() - 1)] = end;
  return mx::slice(x, from, to);
}

mx::array rows_of(const mx::array& x, int begin, int end) {
  return mx::slice(x, {begin, 0}, {end, x.shape(1)});
}

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

const std::pair<mx::array, mx::array>& MlxGraph::rope_tables(const Rope& rope) {
  if (const auto known = rope_tables_.find(&rope); known != rope_tables_.end()) return known->second;
  const int rows = static_cast<int>(positions_.size());
  const int pairs = rope.dims / 2;
  std::vector<float> cos(positions_.size() * static_cast<std::size_t>(pairs));
  std::vector<float> sin(cos.size());
  fill_rope_tables(rope, positions_, planned_length_, cos, sin);
  const mx::Shape shape{rows, 1, pairs};
  return rope_tables_.emplace(&rope, std::pair(mx::array(cos.data(), shape), mx::array(sin.data(), shape)))
      .first->second;
}

Value MlxGraph::rope(Value x, const Rope& rope) {
  const mx::array& input = at(x);
  const int dims = rope.dims;
  if (rope.head_dim <= 0 || input.shape(1) % rope.head_dim != 0 || dims > rope.head_dim || dims % 2 != 0) {
    fail(ErrorKind::internal, "rope of {} in heads of {} does not fit {} columns", dims, rope.head_dim,
         input.shape(1));
  }
  const int rows = input.shape(0);
  const int heads = input.shape(1) / rope.head_dim;
  const auto& [cos, sin] = rope_tables(rope);
  const mx::array all = mx::reshape(input, {rows, heads, rope.head_dim});
  const mx::array rotated = columns_of(all, 0, dims);
  const mx::Shape pair_shape{rows, heads, dims / 2, 2};
  const mx::array pairs = mx::reshape(rotated, pair_shape);
  const mx::Shape flat{rows, heads, dims / 2};
  const mx::array a =
      rope.interleaved ? mx::reshape(columns_of(pairs, 0, 1), flat) : columns_of(rotated, 0, dims / 2);
  const mx::array b =
      rope.interleaved ? mx::reshape(columns_of(pairs, 1, 2), flat) : columns_of(rotated, dims / 2, dims);
  const mx::array first = mx::subtract(mx::multiply(a, cos), mx::multiply(b, sin));
  const mx::array second = mx::add(mx::multiply(b, cos), mx::multiply(a, sin));
  std::vector<mx::array> parts;
  if (rope.interleaved) {
    parts.push_back(mx::reshape(mx::stack({first, second}, 3), {rows, heads, dims}));
  } else {
    parts = {first, second};
  }
  if (dims < rope.head_dim) parts.push_back(columns_of(all, dims, rope.head_dim));
  return keep(mx::reshape(mx::concatenate(std::move(parts), 2), input.shape()));
}

mx::array MlxGraph::attend(const Attention& spec, const Segment& segment, const mx::array& q,
                           const mx::array& k, const mx::array& v) {
  const int end = segment.begin + segment.length;
  const auto by_head = [&](const mx::array& x, int heads) {  // [rows, heads·C] → [heads, rows, C]
    return mx::transpose(mx::reshape(rows_of(x, segment.begin, end), {segment.length, heads, spec.head_dim}),
                         {1, 0, 2});
  };
  mx::array keys = by_head(k, spec.kv_heads);
  mx::array values = by_head(v, spec.kv_heads);
  std::vector<std::int32_t> positions;
  Visibility visible{.window = spec.window, .keep = 0};
  const int past = positions_[static_cast<std::size_t>(segment.begin)];
  if (segment.cache != nullptr) {
    auto& cache = static_cast<MlxCache&>(*segment.cache);
    KvView view = cache.append(spec.layer, keys, values);
    keys = std::move(view.keys);
    values = std::move(view.values);
    positions = std::move(view.positions);
    visible = visibility({.window = spec.window}, cache.options());
  } else {
    for (int i = 0; i < segment.length; ++i) positions.push_back(i);
  }

  std::optional<mx::array> mask;
  const int held = static_cast<int>(positions.size());
  const bool whole =
      visible.window == 0 || past + segment.length <= visible.window;  // nothing is out of sight
  if (spec.causal && !whole) {
    std::vector<std::uint8_t> seen(static_cast<std::size_t>(segment.length) * positions.size());
    auto cell = seen.begin();
    for (int row = past; row < past + segment.length; ++row) {
      for (const std::int32_t position : positions) *cell++ = visible.sees(row, position) ? 1 : 0;
    }
    mask = mx::astype(mx::array(seen.data(), {segment.length, held}, mx::uint8), mx::bool_);
  }
  const mx::array out =
      mx::fast::scaled_dot_product_attention(mx::expand_dims(by_head(q, spec.heads), 0),
                                             mx::expand_dims(keys, 0), mx::expand_dims(values, 0), spec.scale,
                                             mask                                ? "array"
                                             : spec.causal && segment.length > 1 ? "causal"
                                                                                 : "",
                                             mask);
  return mx::reshape(mx::transpose(out, {0, 2, 1, 3}), {segment.length, spec.heads * spec.head_dim});
}

Value MlxGraph::attention(const Attention& spec, Value q, Value k, Value v) {
  return at_seam("attention of layer " + std::to_string(spec.layer), [&] {
    const int kv_width = spec.kv_heads * spec.head_dim;
    if (spec.kv_heads <= 0 || spec.heads % spec.kv_heads != 0 || width(q) != spec.heads * spec.head_dim ||
        width(k) != kv_width || width(v) != kv_width) {
      fail(ErrorKind::internal, "{} heads over {} kv heads of {} do not fit q, k, v of {}, {}, {} columns",
           spec.heads, spec.kv_heads, spec.head_dim, width(q), width(k), width(v));
    }
    std::vector<mx::array> segments;
    for (const Segment& segment : step_.segments) {
      segments.push_back(attend(spec, segment, at(q), at(k), at(v)));
    }
    return keep(segments.size() == 1 ? segments[0] : mx::concatenate(std::move(segments), 0));
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
