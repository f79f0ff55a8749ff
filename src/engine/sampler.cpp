#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/logits.h"
#include "engine/penalties.h"
#include "engine/rng.h"
#include "kernels/select/select.h"

namespace pome::engine {

namespace {

// More than these are drawn from the row itself.
constexpr int most_candidates = 4096;

Candidates weigh(const std::vector<Scored>& kept, float peak, float scale) {
  Candidates candidates;
  candidates.reserve(kept.size());
  std::array<float, 256> weights;
  for (std::size_t begin = 0; begin < kept.size(); begin += weights.size()) {
    const auto part = std::span(kept).subspan(begin, std::min(weights.size(), kept.size() - begin));
    const auto logit = [&](const Scored& s) { return (s.logit - peak) * scale; };
    std::transform(part.begin(), part.end(), weights.begin(), logit);
    fast_exp(std::span(weights).first(part.size()));
    for (std::size_t i = 0; i < part.size(); ++i) {
      candidates.push_back({part[i].id, logit(part[i]), weights[i]});
    }
  }
  return candidates;
}

}  // namespace

Sampler::Sampler(SamplingParams params, std::uint64_t seed, TokenBytes token_bytes,
                 std::vector<std::int32_t> xtc_exempt)
    : params_(std::move(params)),
      seed_(seed),
      xtc_exempt_(std::move(xtc_exempt)),
      dry_({params_.dry_multiplier, params_.dry_base, params_.dry_allowed_length, params_.dry_penalty_last_n,
            params_.dry_sequence_breakers},
           std::move(token_bytes)),
      mu_(2 * params_.mirostat_tau) {}

void Sampler::shape(std::span<float> logits, std::span<const std::int32_t> history,
                    std::span<const std::uint32_t> mask) {
  if (!mask.empty()) apply_mask(logits, mask);
  apply_bias(logits, params_.logit_bias);
  penalize_repetition(logits, history, params_.repetition_penalty, params_.repetition_context_size);
  penalize_presence(logits, history, params_.presence_penalty, params_.presence_context_size);
  penalize_frequency(logits, history, params_.frequency_penalty, params_.frequency_context_size);
  dry_.apply(logits, history);
}

// The tokens that may survive the filters, and the weight of all tokens that top-k leaves.
Candidates Sampler::collect(std::span<const float> logits, float peak, float scale, double& total) const {
  const SamplingParams& p = params_;
  if (p.top_k > 0 && std::cmp_less(p.top_k, logits.size())) {
    Candidates candidates = weigh(top_k(logits, p.top_k), peak, scale);
    total = total_weight(candidates);
    return candidates;
  }
  const bool untouched_before_min_p = p.typical_p >= 1 && p.top_p >= 1;
  float cut = -std::numeric_limits<float>::infinity();
  if (untouched_before_min_p && p.min_p > 0) {
    cut = peak + std::log(p.min_p) / scale;
  } else {
    total = exp_sum(logits, peak, scale);
    if (p.typical_p >= 1 && p.top_p < 1) {
      // Tokens less likely than (1 - top_p) / V sum to less than 1 - top_p, so the others reach top_p.
      const double least = (1 - static_cast<double>(p.top_p)) / static_cast<double>(logits.size()) * total;
      cut = peak + static_cast<float>(std::log(least) / static_cast<double>(scale));
    }
  }
  cut -= 1e-4f * std::abs(cut);  // against rounding here: the filters look again
  Candidates candidates = weigh(at_least(logits, cut), peak, scale);
  if (std::cmp_less(candidates.size(), p.min_tokens_to_keep)) {
    const int least = p.min_tokens_to_keep;
    candidates = weigh(top_k(logits, least), peak, scale);
  }
  if (total == 0) total = total_weight(candidates);
  return candidates;
}

std::int32_t Sampler::mirostat(std::span<float> logits, float peak, float scale, double u) {
  const double total = exp_sum(logits, peak, scale);
  const double cut =
      (std::log(total) - static_cast<double>(mu_) * std::log(2.0)) / static_cast<double>(scale);
  const float floor = std::min(peak, peak + static_cast<float>(cut) + 1e-4f);
  const auto learn = [&](float weight, double kept) {
    const double surprise = -std::log2(static_cast<double>(weight) / kept);
    mu_ -= params_.mirostat_eta * static_cast<float>(surprise - static_cast<double>(params_.mirostat_tau));
  };
  if (std::cmp_greater(kernels::indices_at_least(logits.data(), std::ssize(logits), floor, nullptr, 0),
                       most_candidates)) {
    for (float& logit : logits) logit = logit < floor ? -std::numeric_limits<float>::infinity() : logit;
    const std::int32_t id = draw_dense(logits, peak, scale, u);
    learn(fast_exp((logits[static_cast<std::size_t>(id)] - peak) * scale), exp_sum(logits, peak, scale));
    return id;
  }
  Candidates candidates = weigh(at_least(logits, floor - 1e-3f * std::abs(floor)), peak, scale);
  keep_unsurprising(candidates, total, mu_);
  const Candidate& chosen = candidates[draw(candidates, u)];
  learn(chosen.weight, total_weight(candidates));
  return chosen.id;
}

std::int32_t Sampler::sample(std::span<float> logits, std::span<const std::int32_t> history,
                             std::uint64_t index, std::span<const std::uint32_t> mask) {
  shape(logits, history, mask);
  const Scored peak = find_peak(logits);
  const SamplingParams& p = params_;
  if (p.temperature == 0) return peak.id;

  const float scale = std::min(1 / p.temperature, 1e30f);
  const double u = uniform(seed_, index, Draw::token);
  if (p.top_n_sigma > 0) {
    const auto cut = static_cast<float>(static_cast<double>(peak.logit) -
                                        static_cast<double>(p.top_n_sigma) * moments(logits).deviation);
    for (float& logit : logits) logit = logit < cut ? -std::numeric_limits<float>::infinity() : logit;
  }
  if (p.mirostat == 2) return mirostat(logits, peak.logit, scale, u);

  const bool exclude_top =
      p.xtc_probability > 0 && uniform(seed_, index, Draw::xtc) < static_cast<double>(p.xtc_probability);
  const bool filters = p.top_k > 0 || p.typical_p < 1 || p.top_p < 1 || p.min_p > 0 || exclude_top;
  if (!filters) return draw_dense(logits, peak.logit, scale, u);

  double total = 0;
  Candidates candidates = collect(logits, peak.logit, scale, total);
  if (p.typical_p < 1) {
    keep_typical(candidates, p.typical_p, p.min_tokens_to_keep);
    total = total_weight(candidates);
  }
  keep_top_p(candidates, total, p.top_p, p.min_tokens_to_keep);
  keep_min_p(candidates, p.min_p, p.min_tokens_to_keep);
  if (exclude_top) drop_top_choices(candidates, p.xtc_threshold, xtc_exempt_, p.min_tokens_to_keep);
  return candidates[draw(candidates, u)].id;
}

}  // namespace pome::engine
