// Lanes as an array, the twin that the other levels must equal bit for bit. lanes.h says what the functions
// do.
#pragma once

#include <cmath>

#include "kernels/scalar.h"

namespace pome::kernels {
namespace {

struct Lanes {
  float v[lane_count];
};

template <class F>
Lanes each_lane(F f) {
  Lanes r;
  for (int l = 0; l < lane_count; ++l) r.v[l] = f(l);
  return r;
}

inline Lanes splat(float x) {
  return each_lane([&](int) { return x; });
}
inline Lanes splat(float x, int count) {
  return each_lane([&](int l) { return l < count ? x : 0.0f; });
}
inline Lanes load_lanes(const float* p, int count) {
  return each_lane([&](int l) { return l < count ? p[l] : 0.0f; });
}
inline Lanes load_lanes(const float* p) { return load_lanes(p, lane_count); }
inline Lanes load_lanes(const void* values, Element type, std::int64_t i, int count) {
  return each_lane([&](int l) { return l < count ? element(values, type, i + l) : 0.0f; });
}
inline void store_lanes(float* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = a.v[l];
}
inline void store_lanes(float* p, Lanes a) { store_lanes(p, a, lane_count); }
inline void store_f16(std::uint16_t* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = f32_to_f16(a.v[l]);
}

inline Lanes load_i8(const std::int8_t* p, int count) {
  return each_lane([&](int l) { return l < count ? static_cast<float>(p[l]) : 0.0f; });
}
inline Lanes load_u4(const std::uint8_t* p) {
  return each_lane([&](int l) { return static_cast<float>(l < 8 ? p[l] & 15 : p[l - 8] >> 4); });
}
inline void store_i8(std::int8_t* p, Lanes a, int count) {
  for (int l = 0; l < count && l < lane_count; ++l) p[l] = static_cast<std::int8_t>(a.v[l]);
}

inline Lanes operator+(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] + b.v[l]; });
}
inline Lanes operator-(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] - b.v[l]; });
}
inline Lanes operator*(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] * b.v[l]; });
}
inline Lanes operator/(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] / b.v[l]; });
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return each_lane([&](int l) { return std::fma(a.v[l], b.v[l], c.v[l]); });
}
inline Lanes max(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
}
inline Lanes min(Lanes a, Lanes b) {
  return each_lane([&](int l) { return a.v[l] < b.v[l] ? a.v[l] : b.v[l]; });
}
inline Lanes round_to_even(Lanes a) {
  return each_lane([&](int l) { return std::nearbyint(a.v[l]); });
}
inline Lanes power_of_two(Lanes a) {
  return each_lane(
      [&](int l) { return a.v[l] == a.v[l] ? std::ldexp(1.0f, static_cast<int>(a.v[l])) : a.v[l]; });
}
inline Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y) {
  return each_lane([&](int l) { return a.v[l] < b.v[l] ? x.v[l] : y.v[l]; });
}
inline float sum(Lanes a) { return sum_by_halves(a.v); }
inline void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d) {
  p[0] = sum(a);
  p[1] = sum(b);
  p[2] = sum(c);
  p[3] = sum(d);
}
inline float largest(Lanes a) {
  float m = a.v[0];
  for (const float v : a.v) {
    if (v != v) return __builtin_nanf("");
    m = v > m ? v : m;
  }
  return m;
}
inline bool any_at_least(Lanes a, float threshold) {
  for (const float v : a.v) {
    if (v >= threshold) return true;
  }
  return false;
}

}  // namespace
}  // namespace pome::kernels
