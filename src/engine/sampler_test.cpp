#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "engine/logits.h"
#include "engine/random_logits.h"
#include "engine/rng.h"

namespace pome::engine {
namespace {

using testing::random_logits;
using Tokens = std::vector<std::int32_t>;
constexpr float infinity = std::numeric_limits<float>::infinity();

std::int32_t sample(const SamplingParams& params, std::vector<float> logits, std::uint64_t index = 0,
                    const Tokens& history = {}) {
  return Sampler(params, params.seed.value_or(0)).sample(logits, history, index);
}

// The filters in their documented order, each over all tokens and by sorting.
Candidates plain_filters(const SamplingParams& p, const std::vector<float>& logits) {
  std::vector<Scored> order;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -infinity) order.push_back({static_cast<std::int32_t>(i), logits[i]});
  }
  std::sort(order.begin(), order.end(), better);
  const float peak = order[0].logit;
  if (p.top_n_sigma > 0) {
    const double cut =
        static_cast<double>(peak) - static_cast<double>(p.top_n_sigma) * moments(logits).deviation;
    std::erase_if(order, [&](const Scored& s) { return s.logit < static_cast<float>(cut); });
  }
  if (p.top_k > 0 && order.size() > static_cast<std::size_t>(p.top_k))
    order.resize(static_cast<std::size_t>(p.top_k));
  Candidates candidates;
  for (const Scored& s : order) {
    const float logit = (s.logit - peak) * (1 / p.temperature);
    candidates.push_back({s.id, logit, fast_exp(logit)});
  }
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  keep_typical(candidates, p.typical_p, p.min_tokens_to_keep);
  keep_top_p(candidates, total_weight(candidates), p.top_p, p.min_tokens_to_keep);
  keep_min_p(candidates, p.min_p, p.min_tokens_to_keep);
  return candidates;
}

TEST(Sampler, TakesTheLikeliestWithoutTemperature) {
  for (int shape = 0; shape < testing::shapes; ++shape) {
    const auto logits = random_logits(3000, 1, shape);
    SamplingParams params;
    params.top_p = 0.5f;
    EXPECT_EQ(sample(params, logits), find_peak(logits).id);
  }
}

// Over many draws exactly the tokens that the plain filters leave, as often as their weights say.
TEST(Sampler, DrawsWhatThePlainFiltersLeave) {
  const std::vector<std::pair<const char*, std::function<void(SamplingParams&)>>> settings{
      {"none", [](SamplingParams&) {}},
      {"top-k", [](SamplingParams& p) { p.top_k = 7; }},
      {"top-p", [](SamplingParams& p) { p.top_p = 0.8f; }},
      {"min-p", [](SamplingParams& p) { p.min_p = 0.2f; }},
      {"typical", [](SamplingParams& p) { p.typical_p = 0.5f; }},
      {"sigma", [](SamplingParams& p) { p.top_n_sigma = 1; }},
      {"keep", [](SamplingParams& p) { p.min_p = 1, p.min_tokens_to_keep = 3; }},
      {"top-p keep", [](SamplingParams& p) { p.top_p = 0, p.min_tokens_to_keep = 3; }},
      {"all", [](SamplingParams& p) {
         p.top_n_sigma = 2.5f, p.top_k = 40, p.typical_p = 0.95f, p.top_p = 0.9f, p.min_p = 0.05f;
       }}};
  constexpr int draws = 4000;
  for (const auto& [name, set] : settings) {
    for (int shape = 0; shape < testing::shapes; ++shape) {
      SamplingParams params;
      params.temperature = 0.7f;
      set(params);
      const auto logits = random_logits(60, 5, shape);
      std::map<std::int32_t, int> counts;
      for (int i = 0; i < draws; ++i) ++counts[sample(params, logits, static_cast<std::uint64_t>(i))];
      const Candidates expected = plain_filters(params, logits);
      const double total = total_weight(expected);
      int found = 0;
      for (const Candidate& c : expected) {
        const double mean = draws * static_cast<double>(c.weight) / total;
        EXPECT_NEAR(counts[c.id], mean, 5 * std::sqrt(mean) + 3) << name << " " << shape << " token " << c.id;
        found += counts[c.id];
      }
      EXPECT_EQ(found, draws) << name << " " << shape;
    }
  }
}

// Cutting early must not change what a draw means: the same u gives the same token as the plain filters.
TEST(Sampler, LargeRowsEqualThePlainFiltersDrawByDraw) {
  const auto logits = random_logits(20'000, 8);
  for (int setting = 0; setting < 4; ++setting) {
    SamplingParams params;
    params.temperature = 1.3f;
    if (setting == 0) params.top_p = 0.9f;
    if (setting == 1) params.top_k = 50;
    if (setting == 2) params.min_p = 0.02f;
    if (setting == 3) params.top_p = 0.7f, params.min_p = 0.01f, params.top_n_sigma = 3;
    const Candidates expected = plain_filters(params, logits);
    for (std::uint64_t i = 0; i < 200; ++i) {
      EXPECT_EQ(sample(params, logits, i), expected[draw(expected, uniform(0, i, Draw::token))].id)
          << setting;
    }
  }
}

TEST(Sampler, NeutralValuesAreTheIdentity) {
  const auto logits = random_logits(500, 4);
  SamplingParams plain;
  plain.temperature = 1;
  SamplingParams neutral = plain;
  neutral.top_k = 500;
  neutral.xtc_threshold = 0.0f;
  neutral.dry_allowed_length = 0;
  neutral.repetition_context_size = -1;
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(sample(plain, logits, i, {1, 2, 1, 2}), sample(neutral, logits, i, {1, 2, 1, 2}));
  }
}

TEST(Sampler, XtcComesByChanceAndSparesTheExempt) {
  std::vector<float> logits{3, 2.9f, 2.8f, -2};
  SamplingParams params;
  params.temperature = 1;
  params.xtc_threshold = 0.1f;
  params.xtc_probability = 1;
  for (std::uint64_t i = 0; i < 200; ++i) EXPECT_GE(sample(params, logits, i), 2);
  Sampler sparing(params, 1, {}, {0});
  std::set<std::int32_t> seen;
  for (std::uint64_t i = 0; i < 500; ++i) {
    auto row = logits;
    seen.insert(sparing.sample(row, {}, i));
  }
  EXPECT_TRUE(seen.contains(0));
  EXPECT_FALSE(seen.contains(1));
  params.xtc_probability = 0.5f;
  int top = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) top += sample(params, logits, i) < 2 ? 1 : 0;
  const double p_top =
      (std::exp(3) + std::exp(2.9)) / (std::exp(3) + std::exp(2.9) + std::exp(2.8) + std::exp(-2));
  EXPECT_NEAR(top, 4000 * 0.5 * p_top, 150);
}

// Beside a plain twin that computes every probability: the same cut each time, and the wanted mean surprise.
TEST(Sampler, MirostatDrawsFromTheWholeRowWhereAllTokensSurpriseLittle) {
  const auto logits = random_logits(20'000, 1);
  SamplingParams params;
  params.temperature = 1;
  params.mirostat = 2;
  params.mirostat_tau = 40;  // bits: more than any token has
  params.mirostat_eta = 0;
  const float peak = find_peak(logits).logit;
  for (std::uint64_t index = 0; index < 50; ++index) {
    EXPECT_EQ(sample(params, logits, index), draw_dense(logits, peak, 1, uniform(0, index, Draw::token)));
  }
}

TEST(Sampler, MirostatSteersTheSurprise) {
  for (const float tau : {1.0f, 2.0f, 3.0f}) {
    SamplingParams params;
    params.temperature = 0.8f;
    params.mirostat = 2;
    params.mirostat_tau = tau;
    Sampler sampler(params, 9);
    double mu = 2 * static_cast<double>(tau);
    double sum = 0;
    constexpr int tokens = 1000;
    for (std::uint64_t i = 0; i < tokens; ++i) {
      auto logits = random_logits(700, static_cast<unsigned>(i % 50));
      std::vector<double> p;
      for (const float x : logits) p.push_back(std::exp(static_cast<double>(x) / 0.8));
      const double total = std::accumulate(p.begin(), p.end(), 0.0);
      const double best = *std::max_element(p.begin(), p.end());
      double kept = 0;
      for (const double x : p) kept += -std::log2(x / total) <= mu || x == best ? x : 0;
      const double chosen = p[static_cast<std::size_t>(sampler.sample(logits, {}, i))];
      EXPECT_TRUE(-std::log2(chosen / total) <= mu + 1e-3 || chosen == best);
      const double surprise = -std::log2(chosen / kept);
      mu -= 0.1 * (surprise - static_cast<double>(tau));
      sum += surprise;
    }
    EXPECT_NEAR(sum / tokens, static_cast<double>(tau), 0.1 * static_cast<double>(tau)) << tau;
  }
}

TEST(Sampler, PenaltiesAndMaskComeFirst) {
  SamplingParams params;
  params.logit_bias = {{2, 5.0f}};
  std::vector<float> logits{1, 2, 0, 3};
  EXPECT_EQ(sample(params, logits), 2);
  params.presence_penalty = 10;
  EXPECT_EQ(sample(params, logits, 0, {2}), 3);
  const std::vector<std::uint32_t> mask{0b0011};
  EXPECT_EQ(Sampler(params, 0).sample(logits, {}, 0, mask), 1);
  const std::vector<std::uint32_t> nothing{0};
  EXPECT_THROW(Sampler(params, 0).sample(logits, {}, 0, nothing), Error);
}

TEST(Sampler, ExtremesAreSafe) {
  SamplingParams params;
  for (const float temperature : {0.0f, 1e-38f, 1e-6f, 1.0f, 1e30f}) {
    params.temperature = temperature;
    EXPECT_EQ(sample(params, {5}), 0);
    EXPECT_EQ(sample(params, {-infinity, 3e38f, -3e38f}), 1);
    EXPECT_THROW(sample(params, {1, std::numeric_limits<float>::quiet_NaN()}), Error);
    EXPECT_THROW(sample(params, {-infinity, -infinity}), Error);
    for (int mirostat : {0, 2}) {
      params.mirostat = mirostat;
      params.top_k = params.top_k == 0 ? 3 : 0;
      params.typical_p = 0.5f;
      params.min_tokens_to_keep = 100;
      const std::int32_t id = sample(params, {-infinity, 1, 1, 1, -infinity});
      EXPECT_GE(id, 1);
      EXPECT_LE(id, 3);
    }
  }
  params.temperature = 1e-6f;  // as good as greedy
  EXPECT_EQ(sample(params, {1, 1.01f, 0}), 1);
}

TEST(SamplingParams, ValidateNamesTheParameter) {
  const auto message = [](const std::function<void(SamplingParams&)>& set) {
    SamplingParams params;
    set(params);
    try {
      params.validate();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("fine");
  };
  EXPECT_EQ(message([](SamplingParams&) {}), "fine");
  EXPECT_EQ(message([](SamplingParams& p) { p.top_p = 1.5f; }), "top_p is 1.5, expected 0 to 1 (off)");
  EXPECT_EQ(message([](SamplingParams& p) { p.temperature = std::nanf(""); }),
            "temperature is nan, expected 0 or more");
  EXPECT_EQ(message([](SamplingParams& p) { p.mirostat = 1; }), "mirostat is 1, expected 0 (off) or 2");
  EXPECT_EQ(message([](SamplingParams& p) { p.logit_bias[-3] = 1; }), "logit_bias: token -3 is negative");
  EXPECT_EQ(message([](SamplingParams& p) { p.repetition_penalty = 0; }),
            "repetition_penalty is 0, expected a positive number (1: off)");
}

}  // namespace
}  // namespace pome::engine
