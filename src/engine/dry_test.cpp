#include "engine/dry.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

namespace pome::engine {
namespace {

using History = std::vector<std::int32_t>;

std::string_view letter(std::int32_t token) {
  static constexpr std::string_view texts[] = {"a", "b", "c", "d", "e", ".", "<b", "r>", "x<br>y", ""};
  return texts[token];
}
constexpr std::size_t letters = 10;

// By the words of the definition: for every earlier occurrence of the end of the history, its length; no
// occurrence nor the end itself reaches back over a breaker in the end.
std::map<std::int32_t, float> plain_dry(const DryParams& p, History history) {
  const auto text_has_breaker = [&](const std::string& text) {
    for (const std::string& breaker : p.breakers) {
      if (text.find(breaker) != std::string::npos) return true;
    }
    return false;
  };
  // The longest end of the history without a breaker in it, or one that begins before and ends in it.
  std::size_t limit = history.size();
  for (std::size_t end = history.size(); end > 0; --end) {
    std::string before;
    for (std::size_t i = 0; i + 1 < end; ++i) before += letter(history[i]);
    const std::string with = before + std::string(letter(history[end - 1]));
    bool ends_here = false;
    for (const std::string& breaker : p.breakers) {
      for (std::size_t at = with.find(breaker); at != std::string::npos; at = with.find(breaker, at + 1)) {
        ends_here |= at + breaker.size() > before.size();
      }
    }
    if (ends_here) {
      limit = history.size() - end;
      break;
    }
  }
  if (p.last_n > 0 && history.size() > static_cast<std::size_t>(p.last_n)) {
    history.erase(history.begin(), history.end() - p.last_n);
  }
  std::map<std::int32_t, float> penalties;
  if (limit < static_cast<std::size_t>(p.allowed_length)) return penalties;
  for (std::size_t at = 0; at + 1 < history.size();
       ++at) {  // an occurrence ends here; the next token continues
    std::size_t length = 0;
    while (length <= at && length < limit && history[at - length] == history[history.size() - 1 - length])
      ++length;
    if (length < static_cast<std::size_t>(p.allowed_length)) continue;
    const std::int32_t token = history[at + 1];
    if (text_has_breaker(std::string(letter(token)))) continue;
    const float penalty =
        p.multiplier * std::pow(p.base, static_cast<float>(length) - static_cast<float>(p.allowed_length));
    float& worst = penalties[token];
    worst = std::max(worst, penalty);
  }
  return penalties;
}

TEST(Dry, SuffixMatchesEqualTheirPlainTwin) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    History history(1 + random() % 40);
    for (auto& token : history) token = static_cast<std::int32_t>(random() % 2);
    std::vector<int> match;
    suffix_matches(history, match);
    for (std::size_t i = 1; i < history.size(); ++i) {
      int n = 0;
      while (i + static_cast<std::size_t>(n) < history.size() &&
             history[history.size() - 1 - i - static_cast<std::size_t>(n)] ==
                 history[history.size() - 1 - static_cast<std::size_t>(n)]) {
        ++n;
      }
      ASSERT_EQ(match[i], n) << i;
    }
  }
}

TEST(Dry, EqualsItsPlainTwinTokenByToken) {
  std::mt19937 random(2);
  int penalized = 0;
  for (int round = 0; round < 200; ++round) {
    DryParams params;
    params.multiplier = 0.8f;
    params.base = 1.5f;
    params.allowed_length = static_cast<int>(random() % 4);
    params.last_n = round % 3 == 0 ? 12 : -1;
    if (round % 2 == 0) params.breakers = {".", "<br>"};
    Dry dry(params, letter);
    History history;
    for (int step = 0; step < 40; ++step) {
      history.push_back(static_cast<std::int32_t>(random() % (round % 5 == 0 ? letters : 3)));
      std::vector<float> row(letters, 0.0f);
      dry.apply(row, history);
      const auto expected = plain_dry(params, history);
      for (std::int32_t id = 0; id < static_cast<std::int32_t>(letters); ++id) {
        const auto found = expected.find(id);
        const float penalty = found == expected.end() ? 0 : found->second;
        ASSERT_NEAR(row[static_cast<std::size_t>(id)], -penalty, 1e-4f * (1 + penalty))
            << round << " " << step;
        penalized += penalty > 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(penalized, 1000);
}

TEST(Dry, ABreakerAcrossTokensEndsARepetition) {
  DryParams params;
  params.multiplier = 1;
  const History history{0, 1, 2, 3, 6, 7, 0, 1, 2};  // abcd<br>abc
  std::vector<float> row(letters, 0.0f);
  Dry(params, letter).apply(row, history);
  EXPECT_FLOAT_EQ(row[3], -1.75f);
  params.breakers = {"<br>"};
  row.assign(letters, 0.0f);
  Dry(params, letter).apply(row, history);
  EXPECT_FLOAT_EQ(row[3], -1.75f);  // three tokens stand after the breaker
  params.breakers = {"b"};
  row.assign(letters, 0.0f);
  Dry(params, letter).apply(row, history);
  EXPECT_EQ(row[3], 0);  // only "c" does
}

TEST(Dry, LongRepetitionsStayFinite) {
  DryParams params;
  params.multiplier = 3;
  params.base = 10;
  std::vector<float> row(letters, 1.0f);
  Dry(params, letter).apply(row, History(5000, 0));
  EXPECT_TRUE(std::isfinite(row[0]));
  EXPECT_LT(row[0], -1e20f);
  EXPECT_EQ(row[1], 1);
}

TEST(Dry, OffChangesNothing) {
  std::vector<float> row(letters, 1.0f);
  Dry({}, letter).apply(row, History(50, 0));
  EXPECT_EQ(row, std::vector<float>(letters, 1.0f));
}

}  // namespace
}  // namespace pome::engine
