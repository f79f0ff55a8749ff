#include "engine/sampling.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace pome::engine {

namespace {

// Takes NaN for out of range.
template <class T>
void check(std::string_view name, T value, T low, T high, std::string_view range) {
  if (value >= low && value <= high) return;
  fail(ErrorKind::usage, "{} is {}, expected {}", name, value, range);
}

void check_finite(std::string_view name, float value) {
  if (!std::isfinite(value)) fail(ErrorKind::usage, "{} is {}, expected a finite number", name, value);
}

}  // namespace

void SamplingParams::validate() const {
  constexpr float largest = std::numeric_limits<float>::max();
  constexpr int many = std::numeric_limits<int>::max();
  check("temperature", temperature, 0.0f, largest, "0 or more");
  check("top_k", top_k, 0, many, "0 (off) or more");
  check("top_p", top_p, 0.0f, 1.0f, "0 to 1 (off)");
  check("min_p", min_p, 0.0f, 1.0f, "0 (off) to 1");
  check("typical_p", typical_p, 0.0f, 1.0f, "0 to 1 (off)");
  check("top_n_sigma", top_n_sigma, 0.0f, largest, "0 (off) or more");
  check("xtc_probability", xtc_probability, 0.0f, 1.0f, "0 (off) to 1");
  check("xtc_threshold", xtc_threshold, 0.0f, 0.5f, "0 to 0.5");
  check("min_tokens_to_keep", min_tokens_to_keep, 1, many, "1 or more");
  check("repetition_penalty", repetition_penalty, 1e-6f, 1e6f, "a positive number (1: off)");
  check("repetition_context_size", repetition_context_size, -1, many, "-1 (all) or more");
  check_finite("presence_penalty", presence_penalty);
  check("presence_context_size", presence_context_size, -1, many, "-1 (all) or more");
  check_finite("frequency_penalty", frequency_penalty);
  check("frequency_context_size", frequency_context_size, -1, many, "-1 (all) or more");
  check("dry_multiplier", dry_multiplier, 0.0f, largest, "0 (off) or more");
  check("dry_base", dry_base, 1.0f, largest, "1 or more");
  check("dry_allowed_length", dry_allowed_length, 0, many, "0 or more");
  check("dry_penalty_last_n", dry_penalty_last_n, -1, many, "-1 (all) or more");
  if (mirostat != 0 && mirostat != 2)
    fail(ErrorKind::usage, "mirostat is {}, expected 0 (off) or 2", mirostat);
  check("mirostat_tau", mirostat_tau, 1e-6f, largest, "a positive number");
  check("mirostat_eta", mirostat_eta, 0.0f, largest, "0 or more");
  for (const auto& [id, bias] : logit_bias) {
    if (id < 0) fail(ErrorKind::usage, "logit_bias: token {} is negative", id);
    if (!std::isfinite(bias)) fail(ErrorKind::usage, "logit_bias: token {} has the bias {}", id, bias);
  }
}

}  // namespace pome::engine
