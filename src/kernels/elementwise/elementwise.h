// What stands between matrix products: norms, rotary positions, activations, sums. All on float32 rows, on
// the calling thread; calls for different rows may run at once. Every function gives the same bits on each
// level and for each split of rows. `out` may be the input itself, else they must not overlap.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace pome::kernels {

// Stored parameters [length] of any alignment.
struct Parameters {
  const void* data = nullptr;
  Element type = Element::f32;
  float offset = 0;  // added to each by the norms
};

// Runs of `length` floats: the rows of a matrix, or the heads of a row.
struct Runs {
  int count = 0;
  int length = 0;
  std::int64_t in_stride = 0;  // floats from run to run
  std::int64_t out_stride = 0;
};

// out = x / sqrt(mean(x²) + eps) · weight, per run; weights are 1 where their data is null.
void rms_norm(const Runs& runs, const float* x, const Parameters& weight, float eps, float* out);

// out = (x - mean) / sqrt(mean((x - mean)²) + eps) · weight + bias, per run; as above, and no bias where its
// data is null.
void layer_norm(const Runs& runs, const float* x, const Parameters& weight, const Parameters& bias, float eps,
                float* out);

// Rotates the first `dims` elements of each of a row's heads, `head_dim` floats each: half form pairs i with
// i + dims/2, interleaved 2i with 2i + 1. cos and sin: [dims/2], of this row's position.
struct RotaryRow {
  int heads = 0;
  int head_dim = 0;
  int dims = 0;
  bool interleaved = false;
  const float* cos = nullptr;
  const float* sin = nullptr;
};
void rope(const RotaryRow& row, float* x);

enum class UnaryKind : std::uint8_t {
  silu,
  gelu,
  gelu_tanh,
  gelu_quick,
  relu,
  relu_squared,
  sigmoid,
  tanh,
  softplus,
};

// out = f(x), within about 2e-7 of the larger of |f(x)| and 1.
void activate(UnaryKind kind, const float* x, float* out, std::int64_t count);

// out = f(gate)·up.
void activate_gated(UnaryKind kind, const float* gate, const float* up, float* out, std::int64_t count);

// g·sigmoid(alpha·g)·(u + 1), g = min(gate, limit), u = up clamped to ±limit.
void clamped_swiglu(float limit, float alpha, const float* gate, const float* up, float* out,
                    std::int64_t count);

// x > 0: positive·x² + beta·x; else: (e^min(x, eps) - 1 - x)·negative + beta·x.
struct XieluFactors {
  float positive = 0;
  float negative = 0;
  float beta = 0;
  float eps = 0;
};
void xielu(const XieluFactors& factors, const float* x, float* out, std::int64_t count);

void clamp(float low, float high, const float* x, float* out, std::int64_t count);

void add(const float* a, const float* b, float* out, std::int64_t count);
void multiply(const float* a, const float* b, float* out, std::int64_t count);
void scale(const float* x, float factor, float* out, std::int64_t count);

// Rounds to float16, to nearest even; what is finite but out of range becomes ±65504.
void to_f16_saturating(const float* x, std::uint16_t* out, std::int64_t count);

}  // namespace pome::kernels
