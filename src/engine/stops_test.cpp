#include "engine/stops.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "text/utf8.h"

namespace pome::engine {
namespace {

struct Outcome {
  std::string shown;
  std::string matched;
  bool operator==(const Outcome&) const = default;
};

// The definition: the stop that ends first, the longest of those.
Outcome plain_stop(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::string best;
    for (const std::string& stop : stops) {
      if (stop.size() > best.size() && text.substr(0, end).ends_with(stop)) best = stop;
    }
    if (!best.empty()) return {text.substr(0, end - best.size()), best};
  }
  return {text, ""};
}

TEST(Stops, DoNotDependOnHowTextIsCut) {
  std::mt19937 random(3);
  const std::string alphabet[] = {"a", "b", "é", "€", "😀"};
  int matches = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto word = [&](std::size_t most) {
      std::string text;
      for (std::size_t n = 1 + random() % most; n > 0; --n)
        text += alphabet[random() % (round % 2 == 0 ? 2 : 5)];
      return text;
    };
    std::vector<std::string> stops;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) stops.push_back(word(4));
    StopMatcher matcher(stops);
    std::string text;
    Outcome outcome;
    for (int piece = 0; piece < 6; ++piece) {
      const std::string part = word(3);
      text += part;
      const std::string shown = matcher.push(part);
      EXPECT_TRUE(text::is_utf8(shown));
      outcome.shown += shown;
    }
    outcome.shown += matcher.flush();
    if (matcher.matched() != nullptr) outcome.matched = *matcher.matched();
    matches += matcher.matched() != nullptr ? 1 : 0;
    ASSERT_EQ(outcome, plain_stop(text, stops)) << text;
  }
  EXPECT_GT(matches, 500);
}

TEST(Stops, HoldBackNoMoreThanNeeded) {
  StopMatcher matcher({"</end>"});
  EXPECT_EQ(matcher.push("a<"), "a");
  EXPECT_EQ(matcher.push("/en"), "");
  EXPECT_EQ(matcher.push("x</"), "</enx");
  EXPECT_EQ(matcher.flush(), "</");
  EXPECT_EQ(StopMatcher({}).push("all of it"), "all of it");
}

TEST(Stops, NothingIsShownAfterAMatch) {
  StopMatcher matcher({"."});
  EXPECT_EQ(matcher.push("one.two"), "one");
  EXPECT_EQ(matcher.push("three"), "");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(Stops, RefusesWhatIsNoText) {
  EXPECT_THROW(StopMatcher({""}), Error);
  EXPECT_THROW(StopMatcher({"ok", "\xC3"}), Error);
}

}  // namespace
}  // namespace pome::engine
