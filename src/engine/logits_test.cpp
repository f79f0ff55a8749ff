#include "engine/logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/random_logits.h"

namespace pome::engine {
namespace {

using testing::random_logits;
constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<Scored> sorted(const std::vector<float>& logits) {
  std::vector<Scored> all;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -infinity) all.push_back({static_cast<std::int32_t>(i), logits[i]});
  }
  std::sort(all.begin(), all.end(), better);
  return all;
}

std::vector<std::int32_t> ids(std::vector<Scored> scored) {
  std::vector<std::int32_t> result;
  for (const Scored& s : scored) result.push_back(s.id);
  return result;
}

TEST(Logits, ExpIsClose) {
  for (float x = -86.5f; x <= 0; x += 0.00917f) {
    EXPECT_NEAR(fast_exp(x) / std::exp(static_cast<double>(x)), 1, 3e-7) << x;
  }
  EXPECT_EQ(fast_exp(0), 1);
  EXPECT_EQ(fast_exp(-88), 0);
  EXPECT_EQ(fast_exp(-infinity), 0);
  EXPECT_EQ(fast_exp(-1e30f), 0);
}

TEST(Logits, EveryPassEqualsItsPlainTwin) {
  for (const std::size_t size : {1u, 2u, 15u, 16u, 17u, 63u, 64u, 65u, 1023u, 1025u, 5000u}) {
    for (int shape = 0; shape < testing::shapes; ++shape) {
      const auto logits = random_logits(size, static_cast<unsigned>(size), shape);
      const auto all = sorted(logits);
      const Scored peak = find_peak(logits);
      EXPECT_EQ(peak.id, all[0].id);
      EXPECT_EQ(peak.logit, all[0].logit);

      double total = 0;
      double mean = 0;
      for (const Scored& s : all) {
        total += std::exp(static_cast<double>(s.logit - peak.logit) * 0.7);
        mean += static_cast<double>(s.logit) / static_cast<double>(all.size());
      }
      EXPECT_NEAR(exp_sum(logits, peak.logit, 0.7f) / total, 1, 1e-5);
      double variance = 0;
      for (const Scored& s : all) {
        variance += std::pow(static_cast<double>(s.logit) - mean, 2) / static_cast<double>(all.size());
      }
      EXPECT_NEAR(moments(logits).mean, mean, 1e-6);
      EXPECT_NEAR(moments(logits).deviation, std::sqrt(variance), 1e-6);

      for (const int k : {1, 2, 40, 1000, 100000}) {
        auto expected = ids({all.begin(), all.begin() + std::min<std::ptrdiff_t>(k, std::ssize(all))});
        std::sort(expected.begin(), expected.end());
        EXPECT_EQ(ids(top_k(logits, k)), expected) << size << " " << shape << " " << k;
      }
      const float cut = all[all.size() / 3].logit;
      std::vector<std::int32_t> expected;
      for (std::size_t i = 0; i < size; ++i) {
        if (logits[i] >= cut) expected.push_back(static_cast<std::int32_t>(i));
      }
      EXPECT_EQ(ids(at_least(logits, cut)), expected);
      EXPECT_EQ(at_least(logits, -infinity).size(), all.size());
    }
  }
}

TEST(Logits, LogprobsSumToOne) {
  const auto logits = random_logits(1000, 3);
  double sum = 0;
  for (std::int32_t id = 0; id < 1000; ++id) sum += std::exp(static_cast<double>(logprob(logits, id)));
  EXPECT_NEAR(sum, 1, 1e-5);
  const auto top = top_logprobs(logits, 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_GE(top[0].logit, top[1].logit);
  EXPECT_EQ(top[0].logit, logprob(logits, top[0].id));
}

TEST(Logits, DrawsEveryTokenAsOftenAsItsProbabilitySays) {
  auto logits = random_logits(2100, 5);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (i % 300 != 0) logits[i] = -infinity;  // seven tokens in three blocks
  }
  const float peak = find_peak(logits).logit;
  const double total = exp_sum(logits, peak, 0.5f);
  constexpr int draws = 20'000;
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) {
    ++counts[static_cast<std::size_t>(draw_dense(logits, peak, 0.5f, (i + 0.5) / draws))];
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = i % 300 == 0 ? std::exp(static_cast<double>(logits[i] - peak) * 0.5) / total : 0;
    EXPECT_NEAR(counts[i], p * draws, 1.5) << i;
  }
  EXPECT_EQ(draw_dense(logits, peak, 0.5f, std::nextafter(1.0, 0.0)) % 300, 0);
}

TEST(Logits, WhatIsNoNumberIsRefusedByName) {
  auto logits = random_logits(100, 1);
  const auto message = [&] {
    try {
      find_peak(logits);
    } catch (const Error& e) {
      return e.message();
    }
    return std::string("nothing");
  };
  for (const std::size_t at : {0u, 15u, 37u, 97u, 99u}) {
    const float was = logits[at];
    logits[at] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(message(), "logits: token " + std::to_string(at) + " of 100 has the value NaN");
    logits[at] = infinity;
    EXPECT_EQ(message(), "logits: token " + std::to_string(at) + " of 100 has the value +inf");
    logits[at] = was;
  }
  logits.assign(3, -infinity);
  EXPECT_EQ(message(), "no token of 3 is allowed here");
  logits.clear();
  EXPECT_EQ(message(), "logits: the row is empty");
}

}  // namespace
}  // namespace pome::engine
