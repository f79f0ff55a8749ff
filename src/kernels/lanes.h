// Sixteen floats that a kernel handles at once, whatever the instruction set: one AVX-512 register, two of
// AVX2, four of NEON, or an array. A kernel written over Lanes is compiled once per level and gives the same
// bits on each, since every operation here rounds as IEEE 754 says and sums have one order.
//
// Internal linkage throughout, because files with different instruction sets include it. The level is the one
// that the including file is compiled for; NEON, which Arm compilers always have, it asks for by defining
// POME_NEON_LANES.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace pome::kernels {
namespace {

inline constexpr int lane_count = 16;

// Levels define these. Lanes from `count` on are zero, and neither read nor written.
struct Lanes;
Lanes splat(float x);
Lanes splat(float x, int count);
Lanes load_lanes(const float* p);
Lanes load_lanes(const float* p, int count);
Lanes load_lanes(const void* values, Element type, std::int64_t i, int count);
Lanes load_i8(const std::int8_t* p, int count);
Lanes load_u4(const std::uint8_t* p);  // 8 bytes: lane l in the lower half of byte l, lane 8 + l in the upper
void store_lanes(float* p, Lanes a);
void store_lanes(float* p, Lanes a, int count);
void store_f16(std::uint16_t* p, Lanes a, int count);
void store_i8(std::int8_t* p, Lanes a, int count);  // a is whole, from -128 to 127

Lanes operator+(Lanes a, Lanes b);
Lanes operator-(Lanes a, Lanes b);
Lanes operator*(Lanes a, Lanes b);
Lanes operator/(Lanes a, Lanes b);
Lanes fma(Lanes a, Lanes b, Lanes c);  // a·b + c
Lanes max(Lanes a, Lanes b);           // a > b ? a : b, so that a NaN in b stays
Lanes min(Lanes a, Lanes b);           // a < b ? a : b
Lanes round_to_even(Lanes a);
Lanes power_of_two(Lanes a);                            // a is whole, from -126 to 127
Lanes select_less(Lanes a, Lanes b, Lanes x, Lanes y);  // a < b ? x : y

float sum(Lanes a);                                             // by halves
void store_sums(float* p, Lanes a, Lanes b, Lanes c, Lanes d);  // their four sums
float largest(Lanes a);                                         // NaN where any lane is
bool any_at_least(Lanes a, float threshold);

}  // namespace
}  // namespace pome::kernels

#if defined(__AVX512F__)
#include "kernels/lanes_avx512.h"
#elif defined(__AVX2__)
#include "kernels/lanes_avx2.h"
#elif defined(POME_NEON_LANES)
#include "kernels/lanes_neon.h"
#else
#include "kernels/lanes_scalar.h"
#endif

namespace pome::kernels {
namespace {

// e^x within 2 units in the last place, zero below -69: softmax weights under 1e-30 count as nothing, so that
// their products with stored values never underflow. Infinity above 88.72; NaN becomes a NaN or infinity.
// Range reduction and polynomial: S. Moshier, Cephes, expf.
inline Lanes exp(Lanes x) {
  const Lanes clamped = min(splat(89.0f), max(splat(-69.5f), x));
  const Lanes n = round_to_even(clamped * splat(1.44269504088896341f));
  Lanes r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  Lanes p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
  // In two factors, since 2^n alone overflows just before the result does.
  const Lanes half = round_to_even(n * splat(0.5f));
  const Lanes power = p * power_of_two(half) * power_of_two(n - half);
  return select_less(x, splat(-69.0f), splat(0.0f), power);
}

// ln(1 + x) for x from 0 to 1, within 3 units in the last place: 2·artanh(x/(2 + x)) by its series.
inline Lanes log1p(Lanes x) {
  const Lanes s = x / (splat(2.0f) + x), square = s * s;
  constexpr float terms[] = {1.0f / 13, 1.0f / 11, 1.0f / 9, 1.0f / 7, 1.0f / 5, 1.0f / 3};
  Lanes p = splat(1.0f / 15);
  for (const float term : terms) p = fma(p, square, splat(term));
  const Lanes twice = s + s;
  return fma(p * square, twice, twice);
}

// Within 2e-7 of the true value, not relative to it.
inline Lanes tanh(Lanes x) { return splat(1) - splat(2) / (exp(x + x) + splat(1)); }

// What is finite but beyond float16 becomes its largest number; an infinity is no number that did not fit.
inline Lanes saturated_f16(Lanes x) {
  constexpr float largest_f16 = 65504.0f, infinity = __builtin_inff();
  const Lanes clamped = min(splat(largest_f16), max(splat(-largest_f16), x));
  const Lanes above = select_less(x, splat(infinity), clamped, x);
  return select_less(splat(-infinity), x, above, x);
}

}  // namespace
}  // namespace pome::kernels
