// The select kernels over Lanes. Each level's file includes this once, for the flags it is compiled with.
#pragma once

#include "kernels/lanes.h"
#include "kernels/select/functions.h"

namespace pome::kernels::select {
namespace {

float largest_of_all(const float* x, std::int64_t count) {
  // Four maxima at once hide the latency of one. max(a, b) keeps b where a is no number, so the running
  // maximum comes second.
  Lanes top[4] = {splat(-__builtin_inff()), splat(-__builtin_inff()), splat(-__builtin_inff()),
                  splat(-__builtin_inff())};
  std::int64_t i = 0;
  for (; i + 4 * lane_count <= count; i += 4 * lane_count) {
    for (int l = 0; l < 4; ++l) top[l] = max(load_lanes(x + i + l * lane_count), top[l]);
  }
  float all = largest(max(max(top[0], top[1]), max(top[2], top[3])));
  for (; i < count; ++i) all = x[i] > all ? x[i] : all;
  return all;
}

constexpr int run = 4 * lane_count;  // looked at one by one only where any of them is large enough

std::int64_t index_of_largest(const float* x, std::int64_t count) {
  const auto infinity = __builtin_inff();
  Lanes top[4], bad[4];
  for (int l = 0; l < 4; ++l) {
    top[l] = splat(-infinity);
    bad[l] = splat(0);
  }
  std::int64_t i = 0;
  for (; i + run <= count; i += run) {
    for (int l = 0; l < 4; ++l) {
      const Lanes v = load_lanes(x + i + l * lane_count);
      top[l] = max(v, top[l]);
      bad[l] = bad[l] + select_less(v, splat(infinity), splat(0), v);
    }
  }
  float best = largest(max(max(top[0], top[1]), max(top[2], top[3])));
  float sum_of_bad = sum(bad[0] + bad[1] + bad[2] + bad[3]);
  for (; i < count; ++i) {
    best = x[i] > best ? x[i] : best;
    sum_of_bad += x[i] < infinity ? 0 : x[i];
  }
  if (!(sum_of_bad == 0)) return -1;
  for (i = 0; i + run <= count; i += run) {
    Lanes all = load_lanes(x + i);
    for (int l = 1; l < 4; ++l) all = max(all, load_lanes(x + i + l * lane_count));
    if (any_at_least(all, best)) break;
  }
  while (x[i] != best) ++i;
  return i;
}

std::int64_t indices_at_least(const float* x, std::int64_t count, float threshold, std::int32_t* out,
                              std::int64_t capacity) {
  std::int64_t found = 0;
  const auto take = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (!(x[i] >= threshold)) continue;
      if (found < capacity) out[found] = static_cast<std::int32_t>(i);
      ++found;
    }
  };
  std::int64_t i = 0;
  for (; i + run <= count; i += run) {
    Lanes top = splat(-__builtin_inff());
    for (int l = 0; l < 4; ++l) top = max(load_lanes(x + i + l * lane_count), top);
    if (any_at_least(top, threshold)) take(i, i + run);
  }
  take(i, count);
  return found;
}

double sum_exp(const float* x, std::int64_t count, float shift, float factor) {
  constexpr std::int64_t block = 4096;
  double total = 0;
  for (std::int64_t first = 0; first < count; first += block) {
    const std::int64_t last = first + block < count ? first + block : count;
    Lanes sums = splat(0);
    std::int64_t i = first;
    for (; i + lane_count <= last; i += lane_count) {
      sums = sums + exp((load_lanes(x + i) - splat(shift)) * splat(factor));
    }
    if (i < last) {
      const auto part = static_cast<int>(last - i);
      alignas(64) float terms[lane_count] = {};
      store_lanes(terms, exp((load_lanes(x + i, part) - splat(shift)) * splat(factor)), part);
      sums = sums + load_lanes(terms);
    }
    total += static_cast<double>(sum(sums));
  }
  return total;
}

constexpr Functions functions_here = {largest_of_all, index_of_largest, indices_at_least, sum_exp};

}  // namespace
}  // namespace pome::kernels::select
