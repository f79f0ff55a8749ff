// What is done over a whole row of logits [V]: few passes, no sorting, loops that compilers vectorize.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pome::engine {

struct Scored {
  std::int32_t id = 0;
  float logit = 0;
};

// The order of every filter: larger logits first, the lower id among equals. Total for logits without NaN, so
// that no result depends on how the standard library sorts.
inline bool better(const Scored& a, const Scored& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// The best token. Throws Error: internal for an empty row, NaN or +inf, naming the first such token; usage
// where every logit is -inf, so that no token is allowed.
Scored find_peak(std::span<const float> logits);

// exp(x) for x ≤ 0 within 3e-7 of it; 0 below -87.
float fast_exp(float x);
void fast_exp(std::span<float> values);  // of each

// Σ exp((logit - shift)·scale) over the row, shift being its largest logit and scale > 0.
double exp_sum(std::span<const float> logits, float shift, float scale);

// The k best of the finite logits (fewer where there are not as many), by ascending id.
std::vector<Scored> top_k(std::span<const float> logits, int k);

// The finite logits at or above `cut`, by ascending id.
std::vector<Scored> at_least(std::span<const float> logits, float cut);

// Draws an id with probability ∝ exp((logit - shift)·scale), walking the ids upwards to u ∈ [0, 1) of the
// sum.
std::int32_t draw_dense(std::span<const float> logits, float shift, float scale, double u);

// Mean and standard deviation of the finite logits.
struct Moments {
  double mean = 0;
  double deviation = 0;
};
Moments moments(std::span<const float> logits);

// Log-softmax of one row as it came from the model: of `token`, and the n most likely, best first.
float logprob(std::span<const float> logits, std::int32_t token);
std::vector<Scored> top_logprobs(std::span<const float> logits, int n);

}  // namespace pome::engine
