// The elementwise kernels over Lanes. Each level's file includes this once, for the flags it is compiled
// with.
#pragma once

#include "kernels/elementwise/functions.h"
#include "kernels/lanes.h"

namespace pome::kernels::elementwise {
namespace {

// Calls part(i, count) for runs of up to 16 elements.
template <class Part>
inline void in_parts(std::int64_t count, Part part) {
  for (std::int64_t i = 0; i < count; i += lane_count) {
    part(i, static_cast<int>(count - i < lane_count ? count - i : lane_count));
  }
}

// Σ term(i, …): lane l adds the elements l, l + 16 … one after the other, the lanes are added by halves.
// `term` returns the accumulator it is given plus its 16 elements.
template <class Term>
inline float sum_in_lanes(int count, Term term) {
  Lanes total = splat(0);
  in_parts(count, [&](std::int64_t i, int n) { total = term(i, n, total); });
  return sum(total);
}

inline Lanes weighted(Lanes v, const Parameters& weight, std::int64_t i, int n) {
  if (weight.data == nullptr) return v;
  return v * (load_lanes(weight.data, weight.type, i, n) + splat(weight.offset));
}

inline float square_root(float x) { return __builtin_sqrtf(x); }

void rms_norm(const Runs& runs, const float* x, const Parameters& weight, float eps, float* out) {
  for (int r = 0; r < runs.count; ++r, x += runs.in_stride, out += runs.out_stride) {
    const float squares = sum_in_lanes(runs.length, [&](std::int64_t i, int n, Lanes total) {
      const Lanes v = load_lanes(x + i, n);
      return fma(v, v, total);
    });
    const Lanes inverse = splat(1.0f / square_root(squares / static_cast<float>(runs.length) + eps));
    in_parts(runs.length, [&](std::int64_t i, int n) {
      store_lanes(out + i, weighted(load_lanes(x + i, n) * inverse, weight, i, n), n);
    });
  }
}

void layer_norm(const Runs& runs, const float* x, const Parameters& weight, const Parameters& bias, float eps,
                float* out) {
  for (int r = 0; r < runs.count; ++r, x += runs.in_stride, out += runs.out_stride) {
    const auto length = static_cast<float>(runs.length);
    const float total = sum_in_lanes(
        runs.length, [&](std::int64_t i, int n, Lanes sums) { return sums + load_lanes(x + i, n); });
    const float mean = total / length;
    const float squares = sum_in_lanes(runs.length, [&](std::int64_t i, int n, Lanes sums) {
      const Lanes v = load_lanes(x + i, n) - splat(mean, n);
      return fma(v, v, sums);
    });
    const Lanes inverse = splat(1.0f / square_root(squares / length + eps));
    in_parts(runs.length, [&](std::int64_t i, int n) {
      const Lanes v = (load_lanes(x + i, n) - splat(mean)) * inverse;
      const Lanes y = weighted(v, weight, i, n);
      store_lanes(out + i, bias.data == nullptr ? y : y + load_lanes(bias.data, bias.type, i, n), n);
    });
  }
}

void rope(const RotaryRow& row, float* x) {
  const int pairs = row.dims / 2;
  for (int h = 0; h < row.heads; ++h, x += row.head_dim) {
    if (row.interleaved) {
      for (int i = 0; i < pairs; ++i) {
        const float a = x[2 * i], b = x[2 * i + 1];
        const float ac = a * row.cos[i], bs = b * row.sin[i], bc = b * row.cos[i], as = a * row.sin[i];
        x[2 * i] = ac - bs;
        x[2 * i + 1] = bc + as;
      }
      continue;
    }
    in_parts(pairs, [&](std::int64_t i, int n) {
      const Lanes a = load_lanes(x + i, n), b = load_lanes(x + pairs + i, n);
      const Lanes c = load_lanes(row.cos + i, n), s = load_lanes(row.sin + i, n);
      store_lanes(x + i, a * c - b * s, n);
      store_lanes(x + pairs + i, b * c + a * s, n);
    });
  }
}

inline Lanes sigmoid(Lanes x) { return splat(1) / (splat(1) + exp(splat(0) - x)); }

// Within 1.5e-7: Abramowitz and Stegun, 7.1.26.
inline Lanes erf(Lanes x) {
  const Lanes magnitude = max(x, splat(0) - x);
  const Lanes t = splat(1) / fma(splat(0.3275911f), magnitude, splat(1));
  Lanes p = splat(1.061405429f);
  p = fma(p, t, splat(-1.453152027f));
  p = fma(p, t, splat(1.421413741f));
  p = fma(p, t, splat(-0.284496736f));
  p = fma(p, t, splat(0.254829592f));
  const Lanes tail = p * t * exp(splat(0) - magnitude * magnitude);
  const Lanes positive = splat(1) - tail;
  return select_less(x, splat(0), splat(0) - positive, positive);
}

template <UnaryKind Kind>
inline Lanes apply(Lanes x) {
  if constexpr (Kind == UnaryKind::silu) return x / (splat(1) + exp(splat(0) - x));
  if constexpr (Kind == UnaryKind::gelu) {
    const Lanes half = x * splat(0.5f);
    return fma(half, erf(x * splat(0.70710678118654752f)), half);
  }
  if constexpr (Kind == UnaryKind::gelu_tanh) {
    const Lanes half = x * splat(0.5f);
    const Lanes inner = fma(splat(0.044715f) * x * x, x, x) * splat(0.79788456080286536f);
    return fma(half, tanh(inner), half);
  }
  if constexpr (Kind == UnaryKind::gelu_quick) {
    return x / (splat(1) + exp(splat(-1.702f) * x));
  }
  if constexpr (Kind == UnaryKind::relu) return max(splat(0), x);
  if constexpr (Kind == UnaryKind::relu_squared) {
    const Lanes positive = max(splat(0), x);
    return positive * positive;
  }
  if constexpr (Kind == UnaryKind::sigmoid) return sigmoid(x);
  if constexpr (Kind == UnaryKind::tanh) return tanh(x);
  if constexpr (Kind == UnaryKind::softplus) {
    const Lanes magnitude = max(x, splat(0) - x);
    return max(splat(0), x) + log1p(exp(splat(0) - magnitude));
  }
}

template <UnaryKind Kind>
inline void apply_all(const float* x, const float* up, float* out, std::int64_t count) {
  in_parts(count, [&](std::int64_t i, int n) {
    const Lanes y = apply<Kind>(load_lanes(x + i, n));
    store_lanes(out + i, up == nullptr ? y : y * load_lanes(up + i, n), n);
  });
}

void activate_gated(UnaryKind kind, const float* gate, const float* up, float* out, std::int64_t count) {
  switch (kind) {
    case UnaryKind::silu:
      return apply_all<UnaryKind::silu>(gate, up, out, count);
    case UnaryKind::gelu:
      return apply_all<UnaryKind::gelu>(gate, up, out, count);
    case UnaryKind::gelu_tanh:
      return apply_all<UnaryKind::gelu_tanh>(gate, up, out, count);
    case UnaryKind::gelu_quick:
      return apply_all<UnaryKind::gelu_quick>(gate, up, out, count);
    case UnaryKind::relu:
      return apply_all<UnaryKind::relu>(gate, up, out, count);
    case UnaryKind::relu_squared:
      return apply_all<UnaryKind::relu_squared>(gate, up, out, count);
    case UnaryKind::sigmoid:
      return apply_all<UnaryKind::sigmoid>(gate, up, out, count);
    case UnaryKind::tanh:
      return apply_all<UnaryKind::tanh>(gate, up, out, count);
    case UnaryKind::softplus:
      return apply_all<UnaryKind::softplus>(gate, up, out, count);
  }
}

void activate(UnaryKind kind, const float* x, float* out, std::int64_t count) {
  elementwise::activate_gated(kind, x, nullptr, out, count);
}

void clamped_swiglu(float limit, float alpha, const float* gate, const float* up, float* out,
                    std::int64_t count) {
  const Lanes most = splat(limit), least = splat(-limit);
  in_parts(count, [&](std::int64_t i, int n) {
    const Lanes g = min(most, load_lanes(gate + i, n));
    const Lanes u = min(most, max(least, load_lanes(up + i, n)));
    const Lanes y = g / (splat(1) + exp(splat(-alpha) * g));
    store_lanes(out + i, y * (u + splat(1)), n);
  });
}

void xielu(const XieluFactors& factors, const float* x, float* out, std::int64_t count) {
  in_parts(count, [&](std::int64_t i, int n) {
    const Lanes v = load_lanes(x + i, n);
    const Lanes above = splat(factors.positive) * v * v;
    const Lanes below = (exp(min(splat(factors.eps), v)) - splat(1) - v) * splat(factors.negative);
    store_lanes(out + i, select_less(splat(0), v, above, below) + splat(factors.beta) * v, n);
  });
}

void clamp(float low, float high, const float* x, float* out, std::int64_t count) {
  in_parts(count, [&](std::int64_t i, int n) {
    store_lanes(out + i, min(splat(high), max(splat(low), load_lanes(x + i, n))), n);
  });
}

void add(const float* a, const float* b, float* out, std::int64_t count) {
  in_parts(count, [&](std::int64_t i, int n) {
    store_lanes(out + i, load_lanes(a + i, n) + load_lanes(b + i, n), n);
  });
}

void multiply(const float* a, const float* b, float* out, std::int64_t count) {
  in_parts(count, [&](std::int64_t i, int n) {
    store_lanes(out + i, load_lanes(a + i, n) * load_lanes(b + i, n), n);
  });
}

void scale(const float* x, float factor, float* out, std::int64_t count) {
  in_parts(count,
           [&](std::int64_t i, int n) { store_lanes(out + i, load_lanes(x + i, n) * splat(factor), n); });
}

void to_f16_saturating(const float* x, std::uint16_t* out, std::int64_t count) {
  in_parts(count, [&](std::int64_t i, int n) { store_f16(out + i, saturated_f16(load_lanes(x + i, n)), n); });
}

constexpr Functions functions_here = {
    rms_norm, layer_norm, rope, activate, activate_gated, clamped_swiglu,
    xielu,    clamp,      add,  multiply, scale,          to_f16_saturating};

}  // namespace
}  // namespace pome::kernels::elementwise
