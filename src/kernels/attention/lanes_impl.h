// The attention kernels over Lanes. Each level's file includes this once, after naming its `add_panel`
// (dense).
#pragma once

#include "kernels/attention/functions.h"
#include "kernels/dense/levels.h"
#include "kernels/lanes.h"

namespace pome::kernels::attention {
namespace {

#if defined(__AVX512F__)
constexpr int largest_rows = 4, largest_vectors = 4;  // 16 of 32 registers accumulate
#else
constexpr int largest_rows = 2, largest_vectors = 2;  // 8 of AVX2's 16
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

// Positions first … first + count - 1 (within one block) of a kv head as floats, a vector_stride apart.
void decode_panel(const KeyValues& cache, const Stored& stored, int head, int first, int count, float* out) {
  const int block = first / cache.block_positions, offset = first % cache.block_positions;
  const std::int64_t start = head * stored.head_stride + offset * stored.position_stride;
  for (int p = 0; p < count; ++p, out += vector_stride(stored.dim)) {
    const std::int64_t at = start + p * stored.position_stride;
    const std::int64_t vector = std::int64_t{head} * cache.block_positions + offset + p;
    if (cache.type == CacheType::u4) {
      decode_u4(static_cast<const std::uint8_t*>(stored.blocks[block]) + at / 2,
                static_cast<const std::uint16_t*>(stored.scales[block]) + vector * stored.groups * 2,
                stored.dim, cache.group, out);
      continue;
    }
    for (int c = 0; c < stored.dim; c += lane_count) {
      const int n = stored.dim - c < lane_count ? stored.dim - c : lane_count;
      if (cache.type == CacheType::i8) {
        const float scale = static_cast<const float*>(stored.scales[block])[vector];
        store_lanes(out + c, load_i8(static_cast<const std::int8_t*>(stored.blocks[block]) + at + c, n) *
                                 splat(scale));
      } else {
        const Element type = cache.type == CacheType::f16 ? Element::f16 : Element::f32;
        store_lanes(out + c, load_lanes(stored.blocks[block], type, at + c, n));
      }
    }
  }
}

// Vectors of consecutive positions as floats, decoded before or loaded from the cache as they are.
struct Panel {
  const float* at;
  int stride;
  Lanes load(int position, int c) const { return load_lanes(at + position * stride + c); }
};

struct CachedHalves {
  const void* block;
  std::int64_t start;
  std::int64_t stride;
  Lanes load(int position, int c) const {
    return load_lanes(block, Element::f16, start + position * stride + c, lane_count);
  }
};

// For few queries decoding first costs more than it saves. Needs whole lanes.
constexpr int largest_direct = 4;

inline bool reads_directly(const KeyValues& cache, int queries, const AttentionSpec& spec) {
  return cache.type == CacheType::f16 && queries <= largest_direct && spec.head_dim % lane_count == 0 &&
         spec.value_size() % lane_count == 0;
}

inline CachedHalves cached_halves(const KeyValues& cache, const Stored& stored, int head, int first) {
  const int block = first / cache.block_positions, offset = first % cache.block_positions;
  return {stored.blocks[block], head * stored.head_stride + offset * stored.position_stride,
          stored.position_stride};
}

// A next token reads its cache once, behind gigabytes of weights: it lies in memory, in pieces too short for
// the processor to foresee.
inline void prefetch(const CachedHalves& vectors, int count) {
  const auto* at = static_cast<const std::uint16_t*>(vectors.block) + vectors.start;
  for (const auto* end = at + count * vectors.stride; at < end; at += 32) __builtin_prefetch(at);
}

// scores[r, p] = q[r]·keys[p] for Queries queries and `count` positions, as dense's add_panel sums them.
template <int Queries>
inline void score(const float* q, int q_stride, int head_dim, const CachedHalves& keys, int count,
                  float* scores) {
  int p = 0;
  for (; p + 4 <= count; p += 4) {
    Lanes sums[Queries][4];
    for (auto& of_query : sums) {
      for (Lanes& lanes : of_query) lanes = splat(0);
    }
    for (int c = 0; c < head_dim; c += lane_count) {
      Lanes k[4];
      for (int i = 0; i < 4; ++i) k[i] = keys.load(p + i, c);
      for (int r = 0; r < Queries; ++r) {
        const Lanes v = load_lanes(q + r * q_stride + c);
        for (int i = 0; i < 4; ++i) sums[r][i] = fma(k[i], v, sums[r][i]);
      }
    }
    for (int r = 0; r < Queries; ++r) {
      store_sums(scores + r * tile_positions + p, sums[r][0], sums[r][1], sums[r][2], sums[r][3]);
    }
  }
  for (; p < count; ++p) {
    for (int r = 0; r < Queries; ++r) {
      Lanes lanes = splat(0);
      for (int c = 0; c < head_dim; c += lane_count) {
        lanes = fma(keys.load(p, c), load_lanes(q + r * q_stride + c), lanes);
      }
      scores[r * tile_positions + p] = sum(lanes);
    }
  }
}

inline void score_queries(const float* q, int q_stride, int queries, int head_dim, const CachedHalves& keys,
                          int count, float* scores) {
  switch (queries) {
    case 1:
      return score<1>(q, q_stride, head_dim, keys, count, scores);
    case 2:
      return score<2>(q, q_stride, head_dim, keys, count, scores);
    case 3:
      return score<3>(q, q_stride, head_dim, keys, count, scores);
    default:
      return score<4>(q, q_stride, head_dim, keys, count, scores);
  }
}

// values[r] += Σ_p weights[r, p]·source[p], position by position, for Rows queries and 16·Vectors elements
// from element c on.
template <int Rows, int Vectors, class Source>
inline void add_weighted(const float* weights, const Source& source, int c, int stride, int count,
                         float* values) {
  Lanes sums[Rows][Vectors];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v) sums[r][v] = load_lanes(values + r * stride + v * lane_count);
  }
  for (int p = 0; p < count; ++p) {
    Lanes elements[Vectors];
    for (int v = 0; v < Vectors; ++v) elements[v] = source.load(p, c + v * lane_count);
    for (int r = 0; r < Rows; ++r) {
      const Lanes weight = splat(weights[r * tile_positions + p]);
      for (int v = 0; v < Vectors; ++v) sums[r][v] = fma(weight, elements[v], sums[r][v]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v) store_lanes(values + r * stride + v * lane_count, sums[r][v]);
  }
}

template <int Rows, class Source>
inline void add_weighted_rows(const float* weights, const Source& source, int stride, int head_dim, int count,
                              float* values) {
  int c = 0;
  for (; c + largest_vectors * lane_count <= head_dim; c += largest_vectors * lane_count) {
    add_weighted<Rows, largest_vectors>(weights, source, c, stride, count, values + c);
  }
  for (; c < head_dim; c += lane_count) add_weighted<Rows, 1>(weights, source, c, stride, count, values + c);
}

template <class Source>
inline void add_weighted_all(const float* weights, const Source& source, int queries, int head_dim, int count,
                             float* values) {
  const int stride = vector_stride(head_dim);
  int i = 0;
  for (; i + largest_rows <= queries; i += largest_rows) {
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

// Turns scores [0, count) of a tile that starts at `first` into weights; returns the largest score, in units
// of ln 2, and their sum. Weights of what is not visible are zero.
inline void softmax(float* scores, int first, int count, const AttentionSpec& spec, const Visible& visible,
                    float& largest_score, float& total) {
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
  Lanes top = nothing, not_numbers = splat(0);  // max() forgets a NaN as soon as a number follows
  for (int p = from; p < to; p += lane_count) {
    Lanes s = load_lanes(scores + p);
    if (spec.soft_cap > 0) {
      s = tanh(s * splat(spec.scale / spec.soft_cap)) * splat(spec.soft_cap * log2_e);
    } else {
      s = s * splat(spec.scale * log2_e);
    }
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
    store_lanes(scores + p, weight);
    sums = sums + weight;
  }
  total = sum(sums);
}

void tile(const AttentionSpec& spec, const KeyValues& cache, const Queries& queries, int number,
          const State& state) {
  alignas(64) float scores[largest_queries * tile_positions];
  alignas(64) float panel[panel_positions * vector_stride(largest_head_dim)];
  const Stored keys = keys_of(cache, spec), values = values_of(cache, spec);
  const int stride = vector_stride(spec.head_dim), value_stride = vector_stride(values.dim);
  const bool direct = reads_directly(cache, queries.count, spec);
  const int first = number * tile_positions;
  int last = first;
  Visible visible[largest_queries];
  for (int i = 0; i < queries.count; ++i) {
    visible[i] = visible_at(spec, queries.positions[i], queries.heads[i], queries.length);
    last = visible[i].end > last ? visible[i].end : last;
  }
  if (last > first + tile_positions) last = first + tile_positions;
  const auto seen = [&](int from, int to) {
    for (int i = 0; i < queries.count; ++i) {
      if (sees(visible[i], from, to)) return true;
    }
    return false;
  };

  const int padded = (last - first + lane_count - 1) / lane_count * lane_count;
  for (int i = 0; i < queries.count; ++i) {
    for (int p = 0; p < padded; ++p) scores[i * tile_positions + p] = 0;
  }
  // Keys some panels ahead, and values while the keys are at work.
  constexpr int ahead = 3 * panel_positions;
  const auto prefetch_from = [&](const Stored& stored, int p) {
    const int count = last - p < panel_positions ? last - p : panel_positions;
    if (direct && count > 0 && seen(p, p + count)) {
      prefetch(cached_halves(cache, stored, queries.kv_head, p), count);
    }
  };
  for (int p = first; p < first + ahead; p += panel_positions) prefetch_from(keys, p);
  for (int p = first; p < last; p += panel_positions) {
    prefetch_from(keys, p + ahead);
    prefetch_from(values, p);
    const int count = last - p < panel_positions ? last - p : panel_positions;
    if (!seen(p, p + count)) continue;
    if (direct) {
      score_queries(queries.q, stride, queries.count, spec.head_dim,
                    cached_halves(cache, keys, queries.kv_head, p), count, scores + (p - first));
      continue;
    }
    decode_panel(cache, keys, queries.kv_head, p, count, panel);
    add_panel({panel, stride, count, spec.head_dim}, queries.q, stride, queries.count, scores + (p - first),
              tile_positions);
  }

  for (int i = 0; i < queries.count; ++i) {
    for (int c = 0; c < value_stride; ++c) state.values[i * value_stride + c] = 0;
    softmax(scores + i * tile_positions, first, padded, spec, visible[i], state.largest[i], state.total[i]);
    if (state.largest[i] == -__builtin_inff()) {
      for (int p = 0; p < padded; ++p) scores[i * tile_positions + p] = 0;
    }
  }
  for (int p = first; p < last; p += panel_positions) {
    const int count = last - p < panel_positions ? last - p : panel_positions;
    if (!seen(p, p + count)) continue;
    const float* weights = scores + (p - first);
    if (direct) {
      add_weighted_all(weights, cached_halves(cache, values, queries.kv_head, p), queries.count, values.dim,
                       count, state.values);
      continue;
    }
    decode_panel(cache, values, queries.kv_head, p, count, panel);
    add_weighted_all(weights, Panel{panel, value_stride}, queries.count, values.dim, count, state.values);
  }
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

void store_i8_head(const float* x, int head_dim, std::int8_t* to, float* scale) {
  Lanes top = splat(0), zeros = splat(0);
  const auto part = [&](int c) { return head_dim - c < lane_count ? head_dim - c : lane_count; };
  for (int c = 0; c < head_dim; c += lane_count) {
    const Lanes v = load_lanes(x + c, part(c));
    top = max(top, max(v, splat(0) - v));
    zeros = zeros + v * splat(0);
  }
  const float magnitude = largest(top);
  const float not_finite = sum(zeros);  // 0, or NaN
  const bool counts = not_finite == 0 && magnitude >= 0x1p-100f;
  *scale = counts ? magnitude / 127.0f : not_finite;
  const Lanes reciprocal = splat(counts ? 127.0f / magnitude : 0.0f);
  for (int c = 0; c < head_dim; c += lane_count) {
    const Lanes v = counts ? round_to_even(load_lanes(x + c, part(c)) * reciprocal) : splat(0);
    store_i8(to + c, v, part(c));
  }
}

// Codes refer to step and least element as they are stored, so that rounding those costs no accuracy.
void store_u4_head(const float* x, int head_dim, int group, std::uint8_t* to, std::uint16_t* scales) {
  for (int begin = 0; begin < head_dim; begin += group, scales += 2) {
    Lanes top = splat(-__builtin_inff()), bottom = splat(__builtin_inff()), zeros = splat(0);
    for (int c = begin; c < begin + group; c += lane_count) {
      const Lanes v = load_lanes(x + c);
      top = max(top, v);
      bottom = min(bottom, v);
      zeros = zeros + v * splat(0);
    }
    if (sum(zeros) != 0) {  // NaN
      scales[0] = scales[1] = 0x7e00;
      for (int c = begin / 2; c < (begin + group) / 2; ++c) to[c] = 0;
      continue;
    }
    const float least = -largest(splat(0) - bottom);
    float pair[lane_count] = {};
    pair[0] = (largest(top) - least) / 15.0f;
    pair[1] = least;
    store_f16(scales, saturated_f16(load_lanes(pair)), 2);
    store_lanes(pair, load_lanes(scales, Element::f16, 0, 2));
    const Lanes reciprocal = splat(pair[0] > 0 ? 1.0f / pair[0] : 0.0f), start = splat(pair[1]);
    for (int c = begin; c < begin + group; c += lane_count) {
      const Lanes steps = round_to_even((load_lanes(x + c) - start) * reciprocal);
      float codes[lane_count];
      store_lanes(codes, min(splat(15), max(splat(0), steps)));
      for (int l = 0; l < lane_count / 2; ++l) {
        const auto low = static_cast<unsigned>(codes[l]),
                   high = static_cast<unsigned>(codes[l + lane_count / 2]);
        to[c / 2 + l] = static_cast<std::uint8_t>(low | high << 4);
      }
    }
  }
}

void store_head(CacheType type, const float* x, int head_dim, int group, void* to, void* scales) {
  if (type == CacheType::i8) {
    return store_i8_head(x, head_dim, static_cast<std::int8_t*>(to), static_cast<float*>(scales));
  }
  if (type == CacheType::u4) {
    return store_u4_head(x, head_dim, group, static_cast<std::uint8_t*>(to),
                         static_cast<std::uint16_t*>(scales));
  }
  for (int c = 0; c < head_dim; c += lane_count) {
    const int n = head_dim - c < lane_count ? head_dim - c : lane_count;
    const Lanes v = load_lanes(x + c, n);
    if (type == CacheType::f32) {
      store_lanes(static_cast<float*>(to) + c, v, n);
    } else {
      store_f16(static_cast<std::uint16_t*>(to) + c, saturated_f16(v), n);
    }
  }
}

constexpr Functions functions_here = {tile, merge, finish, store_head};

}  // namespace
}  // namespace pome::kernels::attention
