// What carries a state from row to row.
#include "graph/checks.h"
#include "graph/mlx/graph.h"

namespace pome::graph {

void MlxGraph::check_all_rows(Value x) const {
  if (rows(x) != static_cast<int>(positions_.size())) fail(ErrorKind::internal, "a state after out_rows()");
}

mx::array MlxGraph::state_of(const Segment& segment, int layer, mx::Shape shape) const {
  if (segment.cache == nullptr) return mx::zeros(shape);
  return mx::reshape(static_cast<const MlxCache&>(*segment.cache).state(layer), std::move(shape));
}

void MlxGraph::replace_state(const Segment& segment, int layer, const mx::array& next) {
  if (segment.cache != nullptr) static_cast<MlxCache&>(*segment.cache).replace_state(layer, next);
}

Value MlxGraph::convolution(const Convolution& spec, Value x, const Tensor& weight, const Tensor* bias) {
  return at_seam(weight.name, [&] {
    const int width = at(x).shape(1);
    check_convolution(spec, width, weight, bias);
    check_all_rows(x);
    const int past = spec.kernel - 1;
    const mx::array taps =
        mx::transpose(mx::reshape(weights_.as_float(weight), {width, spec.kernel}));  // [kernel, width]
    std::vector<mx::array> outs;
    for (const Segment& segment : step_.segments) {
      const int count = segment.length;
      const mx::array all = mx::concatenate({state_of(segment, spec.layer, {past, width}),
                                             rows_of(at(x), segment.begin, segment.begin + count)},
                                            0);
      mx::array total = mx::multiply(rows_of(all, 0, count), rows_of(taps, 0, 1));
      for (int k = 1; k < spec.kernel; ++k) {
        total = mx::add(total, mx::multiply(rows_of(all, k, k + count), rows_of(taps, k, k + 1)));
      }
      outs.push_back(std::move(total));
      replace_state(segment, spec.layer, rows_of(all, count, count + past));
    }
    mx::array y = outs.size() == 1 ? outs[0] : mx::concatenate(std::move(outs), 0);
    return keep(bias == nullptr ? y : mx::add(y, weights_.as_float(*bias)));
  });
}

Value MlxGraph::recurrence(const Recurrence& spec, Value q, Value k, Value v, Value decay, Value beta,
                           const Tensor* skip) {
  return at_seam("recurrence of layer " + std::to_string(spec.layer), [&] {
    check_recurrence(spec, {width(q), width(k), width(v), width(decay), width(beta)}, skip);
    for (const Value x : {q, k, v, decay, beta}) check_all_rows(x);
    const int rows = at(v).shape(0), heads = spec.heads, key_dim = spec.key_dim, value_dim = spec.value_dim;
    const auto keys = [&](Value x) {
      return mx::repeat(mx::reshape(at(x), {rows, spec.key_heads, key_dim}), heads / spec.key_heads, 1);
    };
    const mx::array all_k = keys(k), all_q = keys(q);
    const mx::array all_v = mx::reshape(at(v), {rows, heads, value_dim});
    const auto row = [](const mx::array& x, int t, mx::Shape shape) {
      mx::Shape from(x.ndim(), 0), to = x.shape();
      from[0] = t;
      to[0] = t + 1;
      return mx::reshape(mx::slice(x, from, to), std::move(shape));
    };
    std::vector<mx::array> outs;
    for (const Segment& segment : step_.segments) {
      mx::array state = state_of(segment, spec.layer, {heads, value_dim, key_dim});
      for (int t = segment.begin; t < segment.begin + segment.length; ++t) {
        const mx::array key = row(all_k, t, {heads, 1, key_dim});
        mx::array value = row(all_v, t, {heads, value_dim, 1});
        state = mx::multiply(state, row(at(decay), t, {heads, 1, 1}));
        if (spec.delta) value = mx::subtract(value, mx::sum(mx::multiply(state, key), 2, true));
        value = mx::multiply(value, row(at(beta), t, {heads, 1, 1}));
        state = mx::add(state, mx::multiply(value, key));
        outs.push_back(mx::reshape(mx::sum(mx::multiply(state, row(all_q, t, {heads, 1, key_dim})), 2),
                                   {1, heads, value_dim}));
      }
      replace_state(segment, spec.layer, state);
    }
    mx::array y = mx::concatenate(std::move(outs), 0);
    if (skip != nullptr) {
      y = mx::add(y, mx::multiply(all_v, mx::reshape(weights_.as_float(*skip), {1, heads, 1})));
    }
    return keep(mx::reshape(y, {rows, heads * value_dim}));
  });
}

Value MlxGraph::decay(Value dt, const Tensor& a_log) {
  return at_seam(a_log.name, [&] {
    if (a_log.elements() != width(dt)) {
      fail(ErrorKind::internal, "decay {} does not fit {} heads", a_log.shape_text(), width(dt));
    }
    return keep(mx::exp(mx::negative(mx::multiply(at(dt), mx::exp(weights_.as_float(a_log))))));
  });
}

}  // namespace pome::graph
