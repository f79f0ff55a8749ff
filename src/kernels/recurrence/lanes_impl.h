// The recurrence kernels over Lanes. Each level's file includes this once, for the flags it is compiled with.
#pragma once

#include "kernels/lanes.h"
#include "kernels/recurrence/functions.h"

namespace pome::kernels::recurrence {
namespace {

inline int lanes_left(int count) { return count < lane_count ? count : lane_count; }

inline float stored(const Parameters& from, std::int64_t i) {
  float value;
  store_lanes(&value, load_lanes(from.data, from.type, i, 1), 1);
  return value;
}

// ---- convolution

inline void convolve_block(const ConvolutionSpec& spec, const ConvolutionRows& rows, const float* state,
                           float* next, int channel, int n) {
  const int past = spec.kernel - 1;
  float taps[most_taps][lane_count] = {};  // by tap, since lanes are channels
  for (int k = 0; k < spec.kernel; ++k) {
    for (int l = 0; l < n; ++l) {
      taps[k][l] = stored(spec.weight, std::int64_t{channel + l} * spec.kernel + k);
    }
  }
  // Input t, where those before the first are the state's.
  const auto input = [&](int t) {
    if (t >= 0) return load_lanes(rows.x + t * rows.x_stride + channel, n);
    return state == nullptr ? splat(0)
                            : load_lanes(state + std::int64_t{past + t} * spec.channels + channel, n);
  };
  const Lanes first =
      spec.bias.data == nullptr ? splat(0) : load_lanes(spec.bias.data, spec.bias.type, channel, n);
  for (int t = 0; t < rows.rows; ++t) {
    Lanes total = first;
    for (int k = 0; k < spec.kernel; ++k) total = fma(input(t - past + k), load_lanes(taps[k]), total);
    store_lanes(rows.out + t * rows.out_stride + channel, total, n);
  }
  for (int i = 0; i < past; ++i) {
    store_lanes(next + std::int64_t{i} * spec.channels + channel, input(rows.rows - past + i), n);
  }
}

void convolve(const ConvolutionSpec& spec, const ConvolutionRows& rows, const float* state, float* next,
              int begin, int end) {
  for (int c = begin; c < end; c += lane_count) {
    convolve_block(spec, rows, state, next, c, lanes_left(end - c));
  }
}

// ---- recurrence

// What a row gives to one head.
struct Inputs {
  const float* q;
  const float* k;
  float decay;
  float beta;
  float skip;
};

// Whole lanes need no mask, which would cost a tenth of the time.
template <bool Whole>
inline Lanes load_part(const float* p, int n) {
  return Whole ? load_lanes(p) : load_lanes(p, n);
}

// Count values of one head and row: their states are read once for S k and once for the change.
template <int Count, bool Whole>
inline void recur_values(const RecurrenceSpec& spec, const Inputs& in, const float* v, float* states,
                         float* out) {
  const int width = spec.key_dim;
  float sums[4] = {};
  if (spec.delta) {
    Lanes totals[4] = {splat(0), splat(0), splat(0), splat(0)};
    for (int i = 0; i < width; i += lane_count) {
      const int n = lanes_left(width - i);
      const Lanes k = load_part<Whole>(in.k + i, n);
      for (int j = 0; j < Count; ++j) {
        totals[j] = fma(load_part<Whole>(states + std::int64_t{j} * width + i, n), k, totals[j]);
      }
    }
    store_sums(sums, totals[0], totals[1], totals[2], totals[3]);
  }
  Lanes change[Count];
  for (int j = 0; j < Count; ++j) change[j] = splat(in.beta * (v[j] - in.decay * sums[j]));
  const Lanes kept = splat(in.decay);
  Lanes totals[4] = {splat(0), splat(0), splat(0), splat(0)};
  for (int i = 0; i < width; i += lane_count) {
    const int n = lanes_left(width - i);
    const Lanes k = load_part<Whole>(in.k + i, n), q = load_part<Whole>(in.q + i, n);
    for (int j = 0; j < Count; ++j) {
      float* s = states + std::int64_t{j} * width + i;
      const Lanes next = fma(k, change[j], load_part<Whole>(s, n) * kept);
      if (Whole) {
        store_lanes(s, next);
      } else {
        store_lanes(s, next, n);
      }
      totals[j] = fma(next, q, totals[j]);
    }
  }
  store_sums(sums, totals[0], totals[1], totals[2], totals[3]);
  for (int j = 0; j < Count; ++j) out[j] = sums[j] + in.skip * v[j];
}

template <bool Whole>
inline void recur_row(const RecurrenceSpec& spec, const Inputs& in, const float* v, float* states, float* out,
                      int count) {
  int j = 0;
  for (; j + 4 <= count; j += 4) {
    recur_values<4, Whole>(spec, in, v + j, states + std::int64_t{j} * spec.key_dim, out + j);
  }
  for (; j < count; ++j) {
    recur_values<1, Whole>(spec, in, v + j, states + std::int64_t{j} * spec.key_dim, out + j);
  }
}

void recur(const RecurrenceSpec& spec, const RecurrenceRows& rows, const float* state, float* next,
           int unit) {
  const int units = (spec.value_dim + unit_values - 1) / unit_values;
  const int head = unit / units, begin = unit % units * unit_values;
  const int count = spec.value_dim - begin < unit_values ? spec.value_dim - begin : unit_values;
  const int key_head = head / (spec.heads / spec.key_heads);
  const std::int64_t first = (std::int64_t{head} * spec.value_dim + begin) * spec.key_dim;
  const std::int64_t size = std::int64_t{count} * spec.key_dim;
  float* own = next + first;
  if (state == nullptr) {
    __builtin_memset(own, 0, static_cast<unsigned long>(size) * sizeof(float));
  } else {
    __builtin_memcpy(own, state + first, static_cast<unsigned long>(size) * sizeof(float));
  }
  const float skip = spec.skip.data == nullptr ? 0.0f : stored(spec.skip, head);
  for (int t = 0; t < rows.rows; ++t) {
    const Inputs in = {rows.q + t * rows.q_stride + std::int64_t{key_head} * spec.key_dim,
                       rows.k + t * rows.k_stride + std::int64_t{key_head} * spec.key_dim,
                       rows.decay[t * rows.decay_stride + head], rows.beta[t * rows.beta_stride + head],
                       skip};
    const std::int64_t column = std::int64_t{head} * spec.value_dim + begin;
    const float* v = rows.v + t * rows.v_stride + column;
    float* out = rows.out + t * rows.out_stride + column;
    if (spec.key_dim % lane_count == 0) {
      recur_row<true>(spec, in, v, own, out, count);
    } else {
      recur_row<false>(spec, in, v, own, out, count);
    }
  }
}

// ---- gate

void decay(const float* dt, const Parameters& a_log, float* out, int count) {
  for (int i = 0; i < count; i += lane_count) {
    const int n = lanes_left(count - i);
    const Lanes rate = exp(load_lanes(a_log.data, a_log.type, i, n));
    store_lanes(out + i, exp(splat(0) - load_lanes(dt + i, n) * rate), n);
  }
}

constexpr Functions functions_here = {convolve, recur, decay};

}  // namespace
}  // namespace pome::kernels::recurrence
