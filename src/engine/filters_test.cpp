// Each filter against a plain twin that sorts everything, and the properties that define it.
#include "engine/filters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "engine/logits.h"
#include "engine/random_logits.h"

namespace pome::engine {
namespace {

using testing::random_logits;

Candidates candidates_of(const std::vector<float>& logits) {
  const float peak = find_peak(logits).logit;
  Candidates result;
  for (const Scored& s : at_least(logits, -std::numeric_limits<float>::infinity())) {
    result.push_back({s.id, s.logit - peak, fast_exp(s.logit - peak)});
  }
  return result;
}

std::vector<std::int32_t> ids(const Candidates& candidates) {
  std::vector<std::int32_t> result;
  for (const Candidate& c : candidates) result.push_back(c.id);
  return result;
}

// Candidates by ascending key, then id; the shortest prefix whose probability reaches p, at least min_keep.
template <class Key>
std::vector<std::int32_t> plain_prefix(Candidates candidates, double p, int min_keep, Key key) {
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    return key(a) < key(b) || (key(a) == key(b) && a.id < b.id);
  });
  const double total = total_weight(candidates);
  std::vector<std::int32_t> kept;
  double sum = 0;
  for (const Candidate& c : candidates) {
    if (sum >= p * total && std::ssize(kept) >= std::max(1, min_keep)) break;
    sum += static_cast<double>(c.weight);
    kept.push_back(c.id);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

class Filters : public ::testing::TestWithParam<int> {  // the shape of the logits
 protected:
  template <class Check>
  void each(Check check) {
    for (const std::size_t size : {1u, 2u, 3u, 31u, 33u, 257u, 2000u}) {
      for (unsigned seed = 0; seed < 4; ++seed) check(candidates_of(random_logits(size, seed, GetParam())));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, Filters, ::testing::Range(0, testing::shapes));

TEST_P(Filters, TopPEqualsItsPlainTwin) {
  each([](const Candidates& all) {
    for (const float p : {0.0f, 0.1f, 0.5f, 0.9f, 0.999f}) {
      for (const int min_keep : {1, 5}) {
        Candidates kept = all;
        keep_top_p(kept, total_weight(all), p, min_keep);
        const auto twin =
            plain_prefix(all, static_cast<double>(p), min_keep, [](const Candidate& c) { return -c.logit; });
        EXPECT_EQ(ids(kept), twin) << all.size() << " " << p;
        if (p > 0 &&
            min_keep == 1) {  // what defines it: enough mass, and not without its least likely member
          const double sum = total_weight(kept);
          const auto least =
              std::min_element(kept.begin(), kept.end(),
                               [](const Candidate& a, const Candidate& b) { return a.weight < b.weight; });
          EXPECT_GE(sum, static_cast<double>(p) * total_weight(all) * (1 - 1e-12));
          EXPECT_LT(sum - static_cast<double>(least->weight),
                    static_cast<double>(p) * total_weight(all) * (1 + 1e-12));
        }
      }
    }
  });
}

TEST_P(Filters, TypicalEqualsItsPlainTwin) {
  each([](const Candidates& all) {
    const double total = total_weight(all);
    double entropy = 0;
    for (const Candidate& c : all) {
      const double p = static_cast<double>(c.weight) / total;
      if (p > 0) entropy -= p * (static_cast<double>(c.logit) - std::log(total));
    }
    for (const float p : {0.05f, 0.2f, 0.6f, 0.95f}) {
      Candidates kept = all;
      keep_typical(kept, p, 1);
      const auto key = [&](const Candidate& c) {
        return static_cast<float>(std::abs(std::log(total) - static_cast<double>(c.logit) - entropy));
      };
      EXPECT_EQ(ids(kept), plain_prefix(all, static_cast<double>(p), 1, key)) << all.size() << " " << p;
      EXPECT_GE(total_weight(kept), static_cast<double>(p) * total * (1 - 1e-12));
    }
  });
}

TEST_P(Filters, MinPKeepsWhatIsLikelyEnough) {
  each([](const Candidates& all) {
    for (const float min_p : {0.01f, 0.1f, 0.5f, 1.0f}) {
      Candidates kept = all;
      keep_min_p(kept, min_p, 1);
      std::vector<std::int32_t> twin;
      for (const Candidate& c : all) {
        if (c.logit >= std::log(min_p)) twin.push_back(c.id);
      }
      EXPECT_EQ(ids(kept), twin);
      kept = all;
      keep_min_p(kept, min_p, 4);
      EXPECT_GE(kept.size(), std::min<std::size_t>(4, all.size()));
    }
  });
}

TEST_P(Filters, XtcLeavesOneOfTheTopChoices) {
  each([](const Candidates& all) {
    for (const float threshold : {0.0f, 0.01f, 0.1f, 0.3f}) {
      const double bar = static_cast<double>(threshold) * total_weight(all);
      float least = 2;
      for (const Candidate& c : all) {
        if (static_cast<double>(c.weight) > bar) least = std::min(least, c.weight);
      }
      std::vector<std::int32_t> twin;
      for (const Candidate& c : all) {
        if (static_cast<double>(c.weight) <= bar || c.weight <= least) twin.push_back(c.id);
      }
      Candidates kept = all;
      drop_top_choices(kept, threshold, {}, 1);
      EXPECT_EQ(ids(kept), twin) << all.size() << " " << threshold;
      EXPECT_FALSE(kept.empty());

      kept = all;
      const std::vector<std::int32_t> exempt = ids(all);
      drop_top_choices(kept, threshold, exempt, 1);
      EXPECT_EQ(kept.size(), all.size());
      kept = all;
      drop_top_choices(kept, threshold, {}, static_cast<int>(all.size()));
      EXPECT_EQ(kept.size(), all.size());
    }
  });
}

TEST_P(Filters, MirostatCutsBySurprise) {
  each([](const Candidates& all) {
    const double total = total_weight(all);
    for (const float mu : {0.0f, 0.5f, 3.0f, 10.0f}) {
      Candidates kept = all;
      keep_unsurprising(kept, total, mu);
      ASSERT_FALSE(kept.empty());
      for (const Candidate& c : all) {
        const bool expected = -std::log2(static_cast<double>(c.weight) / total) <= static_cast<double>(mu);
        const bool there =
            std::any_of(kept.begin(), kept.end(), [&](const Candidate& k) { return k.id == c.id; });
        if (expected) EXPECT_TRUE(there);
        if (there && !expected) EXPECT_EQ(kept.size(), 1u);
      }
    }
  });
}

TEST_P(Filters, NeutralValuesChangeNothing) {
  each([](const Candidates& all) {
    Candidates kept = all;
    keep_top_p(kept, total_weight(all), 1, 1);
    keep_typical(kept, 1, 1);
    keep_min_p(kept, 0, 1);
    drop_top_choices(kept, 1, {}, 1);
    keep_unsurprising(kept, total_weight(all), std::numeric_limits<float>::infinity());
    EXPECT_EQ(ids(kept), ids(all));
  });
}

TEST(Filters, OrderOfTheVocabularyDoesNotMatter) {
  const auto logits = random_logits(500, 11);
  std::vector<std::size_t> shuffle(logits.size());
  std::iota(shuffle.begin(), shuffle.end(), 0u);
  std::shuffle(shuffle.begin(), shuffle.end(), std::mt19937(2));
  std::vector<float> shuffled;
  for (const std::size_t i : shuffle) shuffled.push_back(logits[i]);
  const auto kept = [](const std::vector<float>& row) {
    Candidates c = candidates_of(row);
    keep_typical(c, 0.9f, 1);
    keep_top_p(c, total_weight(c), 0.8f, 1);
    keep_min_p(c, 0.05f, 1);
    drop_top_choices(c, 0.04f, {}, 1);
    return ids(c);
  };
  std::vector<std::int32_t> translated;
  for (const std::int32_t id : kept(shuffled)) {
    translated.push_back(static_cast<std::int32_t>(shuffle[static_cast<std::size_t>(id)]));
  }
  std::sort(translated.begin(), translated.end());
  EXPECT_EQ(translated, kept(logits));
}

TEST(Filters, DrawFollowsTheWeights) {
  const Candidates candidates{{3, 0, 1}, {5, -1, 0.5f}, {8, -90, 0}, {9, -2, 0.5f}};
  EXPECT_EQ(draw(candidates, 0), 0u);
  EXPECT_EQ(draw(candidates, 0.4999), 0u);
  EXPECT_EQ(draw(candidates, 0.5), 1u);
  EXPECT_EQ(draw(candidates, 0.7499), 1u);
  EXPECT_EQ(draw(candidates, 0.75), 3u);
  EXPECT_EQ(draw(candidates, std::nextafter(1.0, 0.0)), 3u);
}

}  // namespace
}  // namespace pome::engine
