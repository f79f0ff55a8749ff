// What depends on positions: rotation, and attention over caches.
#include <limits>

#include "graph/checks.h"
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

namespace {

// softmax(q·kᵀ·scale)·v in plain operations, for what MLX's own attention does not do. q [H, L, C], keys
// [K, S, C], values [K, S, Cv], mask [L, S] or [H, L, S] → [H, L, Cv].
mx::array attend_plainly(const Attention& spec, const mx::array& q, const mx::array& keys,
                         const mx::array& values, const std::optional<mx::array>& mask,
                         const std::optional<mx::array>& sinks) {
  const int group = spec.heads / spec.kv_heads, rows = q.shape(1);
  const mx::array queries = mx::reshape(q, {spec.kv_heads, group * rows, spec.head_dim});
  mx::array scores = mx::multiply(mx::matmul(queries, mx::transpose(keys, {0, 2, 1})), mx::array(spec.scale));
  scores = mx::reshape(scores, {spec.heads, rows, keys.shape(1)});
  if (spec.soft_cap > 0) {
    const mx::array cap(spec.soft_cap);
    scores = mx::multiply(mx::tanh(mx::divide(scores, cap)), cap);
  }
  if (mask) scores = mx::where(*mask, scores, mx::array(-std::numeric_limits<float>::infinity()));
  if (sinks) {
    const mx::array column = mx::broadcast_to(mx::reshape(*sinks, {spec.heads, 1, 1}), {spec.heads, rows, 1});
    scores = mx::concatenate({scores, column}, 2);
  }
  const mx::array weights = columns_of(mx::softmax(scores, 2), 0, keys.shape(1));
  const mx::array out =
      mx::matmul(mx::reshape(weights, {spec.kv_heads, group * rows, keys.shape(1)}), values);
  return mx::reshape(out, {spec.heads, rows, spec.value_size()});
}

}  // namespace

// Heads first: [rows, heads·C] → [heads, rows of the segment, C].
static mx::array by_head(const mx::array& x, const Segment& segment, int heads) {
  const mx::array rows = rows_of(x, segment.begin, segment.begin + segment.length);
  return mx::transpose(mx::reshape(rows, {segment.length, heads, x.shape(1) / heads}), {1, 0, 2});
}

// What a segment's rows read: what its cache held and, where there are any, the new keys and values.
const KvView& MlxGraph::view_of(const Attention& spec, std::size_t index, Value k, Value v) {
  const Segment& segment = step_.segments[index];
  const std::pair place(spec.layer, index);
  if (!k.exists()) {
    const auto known = views_.find(place);
    if (known == views_.end()) {
      fail(ErrorKind::internal, "nothing was appended to layer {} in this step", spec.layer);
    }
    return known->second;
  }
  const mx::array keys = by_head(at(k), segment, spec.kv_heads);
  std::optional<mx::array> values;
  if (v.exists()) values = by_head(at(v), segment, spec.kv_heads);
  if (segment.cache != nullptr) {
    auto& cache = static_cast<MlxCache&>(*segment.cache);
    return views_.insert_or_assign(place, cache.append(spec.layer, keys, values)).first->second;
  }
  KvView view{keys, values ? *values : columns_of(keys, 0, spec.value_size()), {}};
  for (int i = 0; i < segment.length; ++i) view.positions.push_back(i);
  return views_.insert_or_assign(place, std::move(view)).first->second;
}

mx::array MlxGraph::attend(const Attention& spec, std::size_t index, const mx::array& q, const KvView& view) {
  const Segment& segment = step_.segments[index];
  const CacheLayer layer{.window = spec.window, .chunk = spec.chunk};
  const auto* cache = static_cast<const MlxCache*>(segment.cache);
  const Visibility visible = visibility(layer, cache == nullptr ? CacheOptions{} : cache->options());
  const int past = positions_[static_cast<std::size_t>(segment.begin)];
  const int held = static_cast<int>(view.positions.size());
  const bool plain = spec.soft_cap > 0 || spec.sinks != nullptr || spec.value_size() != spec.head_dim ||
                     spec.sparse.block > 0;
  std::optional<mx::array> mask;
  const bool whole = visible.first(past + segment.length - 1) == 0;  // nothing is out of sight
  if (spec.causal && (!whole || plain)) {
    const int heads = spec.sparse.block > 0 ? spec.heads : 1;  // that see differently
    std::vector<std::uint8_t> seen;
    for (int head = 0; head < heads; ++head) {
      for (int row = past; row < past + segment.length; ++row) {
        for (const std::int32_t p : view.positions) {
          seen.push_back(visible.sees(row, p) && spec.sparse.sees(row, p, head) ? 1 : 0);
        }
      }
    }
    mask = mx::astype(mx::array(seen.data(), {heads, segment.length, held}, mx::uint8), mx::bool_);
  }
  const mx::array queries = by_head(q, segment, spec.heads);
  std::optional<mx::array> sinks;
  if (spec.sinks != nullptr) sinks = weights_.as_float(*spec.sinks);
  const mx::array out = plain ? attend_plainly(spec, queries, view.keys, view.values, mask, sinks)
                              : mx::squeeze(mx::fast::scaled_dot_product_attention(
                                                mx::expand_dims(queries, 0), mx::expand_dims(view.keys, 0),
                                                mx::expand_dims(view.values, 0), spec.scale,
                                                mask                                ? "array"
                                                : spec.causal && segment.length > 1 ? "causal"
                                                                                    : "",
                                                mask),
                                            0);
  return mx::reshape(mx::transpose(out, {1, 0, 2}), {segment.length, spec.heads * spec.value_size()});
}

Value MlxGraph::attention(const Attention& spec, Value q, Value k, Value v) {
  return at_seam("attention of layer " + std::to_string(spec.layer), [&] {
    for (const Value x : {q, k, v}) {
      if (x.exists() && rows(x) != static_cast<int>(positions_.size())) {
        fail(ErrorKind::internal, "attention after out_rows()");
      }
    }
    check_attention(spec, plan_, width(q), k.exists() ? width(k) : 0, v.exists() ? width(v) : 0);
    std::vector<mx::array> segments;
    for (std::size_t i = 0; i < step_.segments.size(); ++i) {
      segments.push_back(attend(spec, i, at(q), view_of(spec, i, k, v)));
    }
    return keep(segments.size() == 1 ? segments[0] : mx::concatenate(std::move(segments), 0));
  });
}

}  // namespace pome::graph
