// The attention kernels over Lanes. Each level's file includes this once, after naming its `add_panel`
// (dense).
#pragma once

#include "kernels/attention/codes.h"
#include "kernels/attention/functions.h"
#include "kernels/attention/store_impl.h"
#include "kernels/dense/levels.h"
#include "kernels/lanes.h"

namespace pome::kernels::attention {
namespace {

#if defined(__AVX512F__)
constexpr int largest_rows = 4, largest_lines = 4;  // 16 of 32 registers accumulate
#else
constexpr int largest_rows = 2, largest_lines = 2;  // 8 of AVX2's 16
#endif

// The keys of a cache, or its values.
struct Stored {
  const void* const* blocks;
  const void* const* scales;
  std::int64_t head_stride;
  std::int64_t position_stride;
  int dim;
  int groups;
};

inline Stored keys_of(const KeyValues& cache, const AttentionSpec& spec) {
  return {cache.keys,    cache.key_scales, cache.head_stride, cache.position_stride,
          spec.head_dim, cache.key_groups};
}

inline Stored values_of(const KeyValues& cache, const AttentionSpec& spec) {
  const bool own = cache.value_position_stride > 0;
  return {cache.values,
          cache.value_scales,
          own ? cache.value_head_stride : cache.head_stride,
          own ? cache.value_position_stride : cache.position_stride,
          spec.value_size(),
          own ? cache.value_groups : cache.key_groups};
}

// One vector in 4 bits; scales: step and least element of each group.
inline void decode_u4(const std::uint8_t* codes, const std::uint16_t* scales, int dim, int group,
                      float* out) {
  for (int begin = 0; begin < dim; begin += group, scales += 2) {
    float pair[lane_count];
    store_lanes(pair, load_lanes(scales, Element::f16, 0, 2));
    for (int c = begin; c < begin + group && c < dim; c += lane_count) {
      store_lanes(out + c, fma(load_u4(codes + c / 2), splat(pair[0]), splat(pair[1])));
    }
  }
}

// Where the vectors of consecutive positions of one block lie.
template <class Code>
struct Vectors {
  const Code* at;
  std::int64_t stride;
  Lanes load(int position, int c, int count = lane_count) const;
};

template <>
inline Lanes Vectors<std::int16_t>::load(int position, int c, int count) const {
  return load_i16(at + position * stride + c, count);
}
template <>
inline Lanes Vectors<std::int8_t>::load(int position, int c, int count) const {
  return load_i8(at + position * stride + c, count);
}
template <>
inline Lanes Vectors<float>::load(int position, int c, int count) const {
  return load_lanes(at + position * stride + c, count);
}

template <class Code>
inline Vectors<Code> vectors_at(const KeyValues& cache, const Stored& stored, int head, int first) {
  const int block = first / cache.block_positions, offset = first % cache.block_positions;
  return {static_cast<const Code*>(stored.blocks[block]) + head * stored.head_stride +
              offset * stored.position_stride,
          stored.position_stride};
}

template <class Code>
inline void decode(const Vectors<Code>& vectors, int dim, int count, float* out) {
  for (int p = 0; p < count; ++p, out += vector_stride(dim)) {
    int c = 0;
    for (; c + lane_count <= dim; c += lane_count) store_lanes(out + c, vectors.load(p, c));
    if (c < dim) store_lanes(out + c, vectors.load(p, c, dim - c));
  }
}

// Positions first … first + count - 1 (within one block) of a kv head as floats, a vector_stride apart; codes
// that count steps of their vector as they are.
void decode_panel(const KeyValues& cache, const Stored& stored, int head, int first, int count, float* out) {
  switch (cache.type) {
    case CacheType::i16:
      return decode(vectors_at<std::int16_t>(cache, stored, head, first), stored.dim, count, out);
    case CacheType::i8:
      return decode(vectors_at<std::int8_t>(cache, stored, head, first), stored.dim, count, out);
    case CacheType::f32:
      return decode(vectors_at<float>(cache, stored, head, first), stored.dim, count, out);
    case CacheType::u4:
      break;
  }
  const int block = first / cache.block_positions, offset = first % cache.block_positions;
  const std::int64_t start = head * stored.head_stride + offset * stored.position_stride;
  for (int p = 0; p < count; ++p, out += vector_stride(stored.dim)) {
    const std::int64_t vector = std::int64_t{head} * cache.block_positions + offset + p;
    decode_u4(
        static_cast<const std::uint8_t*>(stored.blocks[block]) + (start + p * stored.position_stride) / 2,
        static_cast<const std::uint16_t*>(stored.scales[block]) + vector * stored.groups * 2, stored.dim,
        cache.group, out);
  }
}

// For few queries decoding first costs more than it saves. Needs whole lanes.
constexpr int largest_few = 4;

// Vectors of consecutive positions as floats.
struct Panel {
  const float* at;
  int stride;
  Lanes load(int position, int c) const { return load_lanes(at + position * stride + c); }
};

// A next token reads its cache once, behind gigabytes of weights: it lies in memory, in pieces too short for
// the processor to foresee. The second-level cache has more of them under way at once than the first, and
// room for a tile's values.
template <class Code>
inline void prefetch(const Vectors<Code>& vectors, int count) {
  constexpr int line = 64 / sizeof(Code);
  for (const Code *at = vectors.at, *end = at + count * vectors.stride; at < end; at += line) {
    __builtin_prefetch(at, 0, 2);
  }
}

template <class Code>
inline Codes load_codes_of(const Code* p, int count) {
  return count >= code_count ? load_codes(p) : load_codes(p, count);
}

// scores[p] = q·keys[p] in steps of both, for Positions positions. Lanes run along the vectors.
template <int Positions, class Code>
inline void score(const std::int16_t* q, int head_dim, const Vectors<Code>& keys, int p, float* scores) {
  Sums sums[Positions];
  for (Sums& lanes : sums) lanes = no_sums();
  for (int c = 0; c < head_dim; c += code_count) {
    const Codes v = load_codes(q + c);
    for (int i = 0; i < Positions; ++i) {
      sums[i] = add_products(sums[i], load_codes_of(keys.at + (p + i) * keys.stride + c, head_dim - c), v);
    }
  }
  if constexpr (Positions == 4) {
    store_totals(scores + p, sums[0], sums[1], sums[2], sums[3]);
  } else {
    scores[p] = total(sums[0]);
  }
}

template <class Code>
inline void score_directly(const Queries& queries, int head_dim, const Vectors<Code>& keys, int count,
                           float* scores) {
  for (int p = 0; p < count; p += count - p < 4 ? 1 : 4) {
    for (int i = 0; i < queries.count; ++i) {
      const std::int16_t* q = queries.codes + i * code_stride(head_dim);
      float* to = scores + i * tile_positions;
      count - p < 4 ? score<1>(q, head_dim, keys, p, to) : score<4>(q, head_dim, keys, p, to);
    }
  }
}

// Keys of 64 positions, turned so that lanes are positions: pair i of every position, then pair i + 1.
constexpr int turned_positions = 64;  // in panels of lane_count
struct TurnedKeys {
  alignas(64) std::int16_t pairs[code_stride(largest_head_dim) * turned_positions];
};

// Positions [at, at + count) of those turned, count ≤ 16; zeros stand for what is missing.
template <class Code>
inline void turn_keys(const Vectors<Code>& keys, int head_dim, int count, int at, TurnedKeys& to) {
  for (int c = 0; c < head_dim; c += code_count) {
    Codes rows[lane_count];
    for (int p = 0; p < lane_count; ++p) {
      rows[p] =
          p < count ? load_codes_of(keys.at + p * keys.stride + c, head_dim - c) : load_codes(keys.at, 0);
    }
    turn(rows, to.pairs + c * turned_positions + 2 * at, 2 * turned_positions);
  }
}

inline void forget_keys(int head_dim, int at, TurnedKeys& to) {
  for (int c = 0; c < head_dim; c += 2) {
    for (int i = 0; i < code_count; ++i) to.pairs[c * turned_positions + 2 * at + i] = 0;
  }
}

template <int Rows, int Lines>
inline void score_block(const std::int16_t* q, int q_stride, int head_dim, const std::int16_t* keys,
                        float* scores) {
  Sums sums[Rows][Lines];
  for (auto& of_row : sums) {
    for (Sums& lanes : of_row) lanes = no_sums();
  }
  for (int c = 0; c < head_dim; c += 2, keys += 2 * turned_positions) {
    Codes k[Lines];
    for (int l = 0; l < Lines; ++l) k[l] = load_codes(keys + l * code_count);
    for (int r = 0; r < Rows; ++r) {
      const Codes pair = splat_pair(q + r * q_stride + c);
      for (int l = 0; l < Lines; ++l) sums[r][l] = add_products(sums[r][l], k[l], pair);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int l = 0; l < Lines; ++l) {
      store_lanes(scores + r * tile_positions + l * lane_count, floats_of(sums[r][l]));
    }
  }
}

// The scores of all queries for `count` positions, in whole lanes; wanted(i, n, p, count) as below, of
// positions from p on.
template <class Wanted>
inline void score_turned(const Queries& queries, int head_dim, const TurnedKeys& keys, int count,
                         float* scores, Wanted wanted) {
  const int stride = code_stride(head_dim);
  constexpr int step = largest_lines * lane_count;
  int p = 0;
  for (; p + step <= count; p += step) {
    int i = 0;
    for (; i + largest_rows <= queries.count; i += largest_rows) {
      if (!wanted(i, largest_rows, p, step)) continue;
      score_block<largest_rows, largest_lines>(queries.codes + i * stride, stride, head_dim,
                                               keys.pairs + 2 * p, scores + i * tile_positions + p);
    }
    for (; i < queries.count; ++i) {
      score_block<1, largest_lines>(queries.codes + i * stride, stride, head_dim, keys.pairs + 2 * p,
                                    scores + i * tile_positions + p);
    }
  }
  for (; p < count; p += lane_count) {
    int i = 0;
    for (; i + largest_rows <= queries.count; i += largest_rows) {
      score_block<largest_rows, 1>(queries.codes + i * stride, stride, head_dim, keys.pairs + 2 * p,
                                   scores + i * tile_positions + p);
    }
    for (; i < queries.count; ++i) {
      score_block<1, 1>(queries.codes + i * stride, stride, head_dim, keys.pairs + 2 * p,
                        scores + i * tile_positions + p);
    }
  }
}

// values[r] += Σ_p weights[r, p]·source[p], position by position, for Rows queries and 16·Lines elements
// from element c on.
template <int Rows, int Lines, class Source>
inline void add_weighted(const float* weights, const Source& source, int c, int stride, int count,
                         float* values) {
  Lanes sums[Rows][Lines];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Lines; ++v) sums[r][v] = load_lanes(values + r * stride + v * lane_count);
  }
  for (int p = 0; p < count; ++p) {
    Lanes elements[Lines];
    for (int v = 0; v < Lines; ++v) elements[v] = source.load(p, c + v * lane_count);
    for (int r = 0; r < Rows; ++r) {
      const Lanes weight = splat(weights[r * tile_positions + p]);
      for (int v = 0; v < Lines; ++v) sums[r][v] = fma(weight, elements[v], sums[r][v]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Lines; ++v) store_lanes(values + r * stride + v * lane_count, sums[r][v]);
  }
}

template <int Rows, class Source>
inline void add_weighted_rows(const float* weights, const Source& source, int stride, int head_dim, int count,
                              float* values) {
  int c = 0;
  for (; c + largest_lines * lane_count <= head_dim; c += largest_lines * lane_count) {
    add_weighted<Rows, largest_lines>(weights, source, c, stride, count, values + c);
  }
  for (; c < head_dim; c += lane_count) add_weighted<Rows, 1>(weights, source, c, stride, count, values + c);
}

// wanted(i, n): whether any of queries i … i + n - 1 gives these positions a weight.
template <class Source, class Wanted>
inline void add_weighted_all(const float* weights, const Source& source, int queries, int head_dim, int count,
                             float* values, Wanted wanted) {
  const int stride = vector_stride(head_dim);
  int i = 0;
  for (; i + largest_rows <= queries; i += largest_rows) {
    if (!wanted(i, largest_rows)) continue;
    add_weighted_rows<largest_rows>(weights + i * tile_positions, source, stride, head_dim, count,
                                    values + i * stride);
  }
  if (largest_rows > 2 && i + 2 <= queries) {
    add_weighted_rows<2>(weights + i * tile_positions, source, stride, head_dim, count, values + i * stride);
    i += 2;
  }
  for (; i < queries; ++i) {
    add_weighted_rows<1>(weights + i * tile_positions, source, stride, head_dim, count, values + i * stride);
  }
}

// Zero for those positions from `first` on that lie in no block that is seen.
inline Lanes striped(Lanes seen, int first, const Visible& visible) {
  float lanes[lane_count];
  store_lanes(lanes, seen);
  for (int l = 0; l < lane_count; ++l) {
    if (!visible.sparsely(first + l)) lanes[l] = 0;
  }
  return load_lanes(lanes);
}

// 2^x for x up to 1, within 2 units in the last place, zero below -100: weights that small count as nothing,
// so that their products with stored values never underflow. NaN stays. The polynomial is a minimax one for
// relative error, from -1/2 to 1/2.
inline Lanes power(Lanes x) {
  const Lanes clamped = max(splat(-101.0f), x), n = round_to_even(clamped), r = clamped - n;
  Lanes p = splat(1.3264727255e-3f);
  p = fma(p, r, splat(9.6715127857e-3f));
  p = fma(p, r, splat(5.5507337445e-2f));
  p = fma(p, r, splat(2.4022242083e-1f));
  p = fma(p, r, splat(6.9314697760e-1f));
  p = fma(p, r, splat(1.0f));
  return select_less(x, splat(-100.0f), splat(0.0f), p * power_of_two(n));
}

// The steps that codes of a tile's positions count, 1 where they are none.
struct Steps {
  alignas(64) float keys[tile_positions];
  alignas(64) float values[tile_positions];
};

// Turns scores [0, count) of a tile that starts at `first`, in steps of a query and of keys, into weights in
// steps of values; returns the largest score, in units of ln 2, and the sum of the weights themselves.
// Weights of what is not visible are zero.
inline void softmax(float* scores, int first, int count, float query_step, const Steps& steps,
                    const AttentionSpec& spec, const Visible& visible, float& largest_score, float& total) {
  alignas(64) static constexpr float numbers[lane_count] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                            8, 9, 10, 11, 12, 13, 14, 15};
  const int begin = visible.begin - first, end = visible.end - first, kept = visible.keep - first;
  // Lanes outside of [from, to) are not visible.
  int from = kept > 0 || begin <= 0 ? 0 : begin / lane_count * lane_count;
  from = from < count ? from : count;
  int to = end < count ? (end + lane_count - 1) / lane_count * lane_count : count;
  to = to > from ? to : from;
  for (int p = 0; p < from; ++p) scores[p] = 0;
  for (int p = to; p < count; ++p) scores[p] = 0;

  const Lanes nothing = splat(-__builtin_inff());
  const float factor = spec.soft_cap > 0 ? spec.scale / spec.soft_cap : spec.scale * log2_e;
  const Lanes unit = splat(query_step * factor);
  Lanes top = nothing, not_numbers = splat(0);  // max() forgets a NaN as soon as a number follows
  for (int p = from; p < to; p += lane_count) {
    Lanes s = load_lanes(scores + p) * load_lanes(steps.keys + p) * unit;
    if (spec.soft_cap > 0) s = tanh(s) * splat(spec.soft_cap * log2_e);
    if (p >= begin && p + lane_count <= end && visible.block == 0) {
      not_numbers = fma(s, splat(0), not_numbers);
    } else {
      // Positions relative to the tile are exact as floats.
      const Lanes number = load_lanes(numbers) + splat(static_cast<float>(p));
      const auto bound = [&](int position) { return splat(static_cast<float>(position)); };
      Lanes seen = select_less(number, bound(kept), splat(1), splat(0));
      seen = select_less(number, bound(begin), seen, splat(1));
      seen = select_less(number, bound(end), seen, splat(0));
      if (visible.block > 0) seen = striped(seen, first + p, visible);
      not_numbers = fma(select_less(splat(0), seen, s, splat(0)), splat(0), not_numbers);
      s = select_less(splat(0), seen, s, nothing);
    }
    store_lanes(scores + p, s);
    top = max(top, s);
  }
  largest_score = largest(top + not_numbers);
  Lanes sums = splat(0);
  for (int p = from; p < to; p += lane_count) {
    const Lanes weight = power(load_lanes(scores + p) - splat(largest_score));
    store_lanes(scores + p, weight * load_lanes(steps.values + p));
    sums = sums + weight;
  }
  total = sum(sums);
}

// Of positions first … first + count - 1, within one block.
inline void copy_steps(const KeyValues& cache, const Stored& stored, int head, int first, int count,
                       float* to) {
  const int block = first / cache.block_positions, offset = first % cache.block_positions;
  const auto* steps = static_cast<const float*>(stored.scales[block]) + head * cache.block_positions + offset;
  for (int p = 0; p < count; ++p) to[p] = steps[p];
}

// One tile of positions at work.
class Tile {
 public:
  Tile(const AttentionSpec& spec, const KeyValues& cache, const Queries& queries, int number)
      : spec_(spec),
        cache_(cache),
        queries_(queries),
        keys_(keys_of(cache, spec)),
        values_(values_of(cache, spec)),
        first_(number * tile_positions),
        last_(first_),
        codes_(counts_steps(cache.type)),
        few_(codes_ && queries.count <= largest_few) {
    for (int i = 0; i < queries.count; ++i) {
      visible_[i] = visible_at(spec, queries.positions[i], queries.heads[i], queries.length);
      last_ = visible_[i].end > last_ ? visible_[i].end : last_;
    }
    if (last_ > first_ + tile_positions) last_ = first_ + tile_positions;
    padded_ = (last_ - first_ + lane_count - 1) / lane_count * lane_count;
  }

  void score() {
    for (int i = 0; i < queries_.count; ++i) {
      for (int p = 0; p < padded_; ++p) scores_[i * tile_positions + p] = 0;
    }
    if (few_) return score_few();
    if (codes_) return score_many();
    each_panel([&](int p, int count) {
      decode_panel(cache_, keys_, queries_.kv_head, p, count, panel_);
      const int stride = vector_stride(spec_.head_dim);
      add_panel({panel_, stride, count, spec_.head_dim}, queries_.q, stride, queries_.count,
                scores_ + (p - first_), tile_positions);
    });
  }

  // Scores become weights.
  void weigh(const State& state) {
    Steps steps;
    for (int p = 0; p < padded_; ++p) steps.keys[p] = steps.values[p] = 1;
    if (codes_) {
      each_panel([&](int p, int count) {
        copy_steps(cache_, keys_, queries_.kv_head, p, count, steps.keys + (p - first_));
        copy_steps(cache_, values_, queries_.kv_head, p, count, steps.values + (p - first_));
      });
    }
    for (int i = 0; i < queries_.count; ++i) {
      float* scores = scores_ + i * tile_positions;
      softmax(scores, first_, padded_, queries_.steps[i], steps, spec_, visible_[i], state.largest[i],
              state.total[i]);
      if (state.largest[i] == -__builtin_inff()) {
        for (int p = 0; p < padded_; ++p) scores[p] = 0;
      }
    }
  }

  void add_values(const State& state) {
    const int stride = vector_stride(values_.dim);
    for (int c = 0; c < queries_.count * stride; ++c) state.values[c] = 0;
    each_panel([&](int p, int count) {
      const auto add = [&](const auto& source) {
        add_weighted_all(scores_ + (p - first_), source, queries_.count, values_.dim, count, state.values,
                         [&](int i, int n) { return seen_by(i, n, p, p + count); });
      };
      if (few_ && values_.dim % lane_count == 0) return with_codes(values_, p, add);
      decode_panel(cache_, values_, queries_.kv_head, p, count, panel_);
      add(Panel{panel_, stride});
    });
  }

 private:
  // Whether any of queries i … i + n - 1 sees any of from … to - 1, or so it may be: their positions rise,
  // and so do the bounds of what they see.
  bool seen_by(int i, int n, int from, int to) const {
    const Visible &earliest = visible_[i], &latest = visible_[i + n - 1];
    const bool inside = (from < latest.end && to > earliest.begin) || from < latest.keep;
    if (latest.block == 0 || !inside) return inside;
    for (int k = i; k < i + n; ++k) {
      if (sees(visible_[k], from, to)) return true;
    }
    return false;
  }
  bool seen(int from, int to) const { return seen_by(0, queries_.count, from, to); }

  // visit(first position, how many) for the panels that anything is seen of.
  template <class Visit>
  void each_panel(Visit visit) const {
    for (int p = first_; p < last_; p += panel_positions) {
      const int count = last_ - p < panel_positions ? last_ - p : panel_positions;
      if (seen(p, p + count)) visit(p, count);
    }
  }

  template <class Visit>
  void with_codes(const Stored& stored, int p, Visit visit) const {
    if (cache_.type == CacheType::i16) {
      visit(vectors_at<std::int16_t>(cache_, stored, queries_.kv_head, p));
    } else {
      visit(vectors_at<std::int8_t>(cache_, stored, queries_.kv_head, p));
    }
  }

  void prefetch_panel(const Stored& stored, int p) const {
    const int count = last_ - p < panel_positions ? last_ - p : panel_positions;
    if (count <= 0 || !seen(p, p + count)) return;
    with_codes(stored, p, [&](const auto& vectors) { prefetch(vectors, count); });
  }

  void score_few() {
    // Keys some panels ahead, and values while the keys are at work.
    constexpr int ahead = 3 * panel_positions;
    for (int p = first_; p < first_ + ahead; p += panel_positions) prefetch_panel(keys_, p);
    each_panel([&](int p, int count) {
      prefetch_panel(keys_, p + ahead);
      prefetch_panel(values_, p);
      with_codes(keys_, p, [&](const auto& keys) {
        score_directly(queries_, spec_.head_dim, keys, count, scores_ + (p - first_));
      });
    });
  }

  void score_many() {
    TurnedKeys turned;
    for (int begin = first_; begin < last_; begin += turned_positions) {
      const int end = last_ - begin < turned_positions ? last_ : begin + turned_positions;
      if (!seen(begin, end)) continue;
      for (int p = begin; p < end; p += panel_positions) {
        const int count = end - p < panel_positions ? end - p : panel_positions;
        if (!seen(p, p + count)) {
          forget_keys(spec_.head_dim, p - begin, turned);
          continue;
        }
        with_codes(keys_, p,
                   [&](const auto& keys) { turn_keys(keys, spec_.head_dim, count, p - begin, turned); });
      }
      score_turned(
          queries_, spec_.head_dim, turned, end - begin, scores_ + (begin - first_),
          [&](int i, int n, int p, int count) { return seen_by(i, n, begin + p, begin + p + count); });
    }
  }

  const AttentionSpec& spec_;
  const KeyValues& cache_;
  const Queries& queries_;
  Stored keys_;
  Stored values_;
  int first_;
  int last_;    // that anybody sees
  int padded_;  // of them, in whole lanes
  bool codes_;
  bool few_;
  Visible visible_[largest_queries];
  alignas(64) float scores_[largest_queries * tile_positions];
  alignas(64) float panel_[panel_positions * vector_stride(largest_head_dim)];
};

void tile(const AttentionSpec& spec, const KeyValues& cache, const Queries& queries, int number,
          const State& state) {
  Tile work(spec, cache, queries, number);
  work.score();
  work.weigh(state);
  work.add_values(state);
}

inline float power_of(float x) {
  float out;
  store_lanes(&out, power(splat(x)), 1);
  return out;
}

void merge(const State& into, const State& next, int count, int value_dim) {
  const int stride = vector_stride(value_dim);
  for (int i = 0; i < count; ++i) {
    if (next.largest[i] == -__builtin_inff()) continue;
    const float top = into.largest[i] > next.largest[i] ? into.largest[i] : next.largest[i];
    // Nothing so far: 2^-∞ = 0 takes what stood there out of the sum.
    const float before = power_of(into.largest[i] - top), after = power_of(next.largest[i] - top);
    into.largest[i] = top;
    const float kept = into.total[i] * before, added = next.total[i] * after;
    into.total[i] = kept + added;
    for (int c = 0; c < value_dim; c += lane_count) {
      float* values = into.values + i * stride + c;
      const Lanes v = load_lanes(values) * splat(before);
      store_lanes(values, fma(load_lanes(next.values + i * stride + c), splat(after), v));
    }
  }
}

void finish(const float* values, float total, int value_dim, float* out) {
  for (int c = 0; c < value_dim; c += lane_count) {
    const int n = value_dim - c < lane_count ? value_dim - c : lane_count;
    store_lanes(out + c, load_lanes(values + c) / splat(total), n);
  }
}

constexpr Functions functions_here = {tile, merge, finish, store_head, round_query};

}  // namespace
}  // namespace pome::kernels::attention
