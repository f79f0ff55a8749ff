// What depends on positions: rotation, and attention over caches.
#include "graph/mlx/graph.h"

namespace pome::graph {

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
  if (rows != static_cast<int>(positions_.size())) fail(ErrorKind::internal, "rope after out_rows()");
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
    if (rows(q) != static_cast<int>(positions_.size()) || rows(k) != rows(q) || rows(v) != rows(q)) {
      fail(ErrorKind::internal, "attention after out_rows()");
    }
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

}  // namespace pome::graph
