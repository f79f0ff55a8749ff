// How vectors are put into a cache, over Lanes; a part of lanes_impl.h.
#pragma once

#include "kernels/attention/codes.h"
#include "kernels/attention/functions.h"

namespace pome::kernels::attention {
namespace {

inline void store_codes(std::int8_t* to, Lanes whole, int count) { store_i8(to, whole, count); }
inline void store_codes(std::int16_t* to, Lanes whole, int count) { store_i16(to, whole, count); }

// In steps of which the largest magnitude has at most `most`, and the length of the vector at most `longest`.
template <class Code>
void store_steps(const float* x, int dim, float most, float longest, Code* to, float* step) {
  Lanes top = splat(0), zeros = splat(0), squares = splat(0);
  const auto part = [&](int c) { return dim - c < lane_count ? dim - c : lane_count; };
  for (int c = 0; c < dim; c += lane_count) {
    const Lanes v = load_lanes(x + c, part(c));
    top = max(top, max(v, splat(0) - v));
    zeros = fma(v, splat(0), zeros);
  }
  const float magnitude = largest(top);
  const float not_finite = sum(zeros);  // 0, or NaN
  const bool counts = not_finite == 0 && magnitude >= 0x1p-100f;
  if (counts) {
    const Lanes reciprocal = splat(1.0f / magnitude);
    for (int c = 0; c < dim; c += lane_count) {
      const Lanes v = load_lanes(x + c, part(c)) * reciprocal;
      squares = fma(v, v, squares);
    }
    const float bound = longest / __builtin_sqrtf(sum(squares));
    most = bound < most ? bound : most;
  }
  *step = counts ? magnitude / most : not_finite;
  const Lanes reciprocal = splat(counts ? most / magnitude : 0.0f);
  for (int c = 0; c < dim; c += lane_count) {
    const Lanes v = counts ? round_to_even(load_lanes(x + c, part(c)) * reciprocal) : splat(0);
    store_codes(to + c, v, part(c));
  }
}

void store_i16_head(const float* x, int dim, std::int16_t* to, float* step) {
  store_steps(x, dim, 32767, longest_i16, to, step);
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
  switch (type) {
    case CacheType::i8:
      return store_steps(x, head_dim, 127, longest_i16, static_cast<std::int8_t*>(to),
                         static_cast<float*>(scales));
    case CacheType::i16:
      return store_i16_head(x, head_dim, static_cast<std::int16_t*>(to), static_cast<float*>(scales));
    case CacheType::u4:
      return store_u4_head(x, head_dim, group, static_cast<std::uint8_t*>(to),
                           static_cast<std::uint16_t*>(scales));
    case CacheType::f32:
      __builtin_memcpy(to, x, static_cast<std::size_t>(head_dim) * sizeof(float));
  }
}

void round_query(const float* q, int head_dim, std::int16_t* codes, float* step) {
  store_i16_head(q, head_dim, codes, step);
  for (int c = head_dim; c < code_stride(head_dim); ++c) codes[c] = 0;
}

}  // namespace
}  // namespace pome::kernels::attention
