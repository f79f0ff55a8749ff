// What layers compute that carry a state from position to position instead of keys and values: short causal
// convolutions, and linear recurrences and the decay that drives them. All on float32, on the calling thread.
// Every function gives the same bits on each level of instructions and for each way of cutting a sequence
// into calls. A state that is null counts as zeros; the one read and the one written must not overlap.
#pragma once

#include "kernels/elementwise/elementwise.h"

namespace pome::kernels {

// A convolution of each channel by itself: out[t][c] = bias[c] + Σ_k weight[c][k] · x[t - kernel + 1 + k][c].
struct ConvolutionSpec {
  int channels = 0;
  int kernel = 0;     // taps, at most most_taps
  Parameters weight;  // [channels, kernel], the newest input last
  Parameters bias;    // [channels]; no data: none
};

inline constexpr int most_taps = 32;

struct ConvolutionRows {
  const float* x = nullptr;
  std::int64_t x_stride = 0;
  float* out = nullptr;
  std::int64_t out_stride = 0;
  int rows = 0;
};

// Channels [begin, end) of `rows` next positions. A state is the last kernel - 1 inputs [kernel - 1,
// channels], the oldest first. Different channels may be computed at once.
void convolve(const ConvolutionSpec& spec, const ConvolutionRows& rows, const float* state, float* next,
              int begin, int end);

// A state S [value_dim, key_dim] per head, which every row changes and reads:
//   plain:      S ← decay·S + beta·v kᵀ
//   delta rule: S ← decay·S + beta·(v - decay·S k) kᵀ
// out = S q + skip·v. Query and key heads are shared by heads / key_heads neighbouring heads.
// Gated delta networks: Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464. State space duality (Mamba-2), where
// B is the key, C the query and the time step beta: Dao, Gu 2024, arXiv 2405.21060.
struct RecurrenceSpec {
  int heads = 0;
  int key_heads = 0;
  int key_dim = 0;
  int value_dim = 0;
  bool delta = false;
  Parameters skip;  // [heads]; no data: none
};

// q, k [rows, key_heads·key_dim]; v, out [rows, heads·value_dim]; decay, beta [rows, heads].
struct RecurrenceRows {
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  const float* decay = nullptr;
  const float* beta = nullptr;
  float* out = nullptr;
  std::int64_t q_stride = 0;
  std::int64_t k_stride = 0;
  std::int64_t v_stride = 0;
  std::int64_t decay_stride = 0;
  std::int64_t beta_stride = 0;
  std::int64_t out_stride = 0;
  int rows = 0;
};

// Parts that may be computed at once.
int recurrence_units(const RecurrenceSpec& spec);

// One of them. A state is [heads, value_dim, key_dim].
void recur(const RecurrenceSpec& spec, const RecurrenceRows& rows, const float* state, float* next, int unit);

// out = e^(-dt·e^a_log).
void decay(const float* dt, const Parameters& a_log, float* out, int count);

}  // namespace pome::kernels
