#include "kernels/route/route.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "pome/error.h"

namespace pome::kernels {
namespace {

std::vector<float> routed(const RouteSpec& spec, const std::vector<float>& logits) {
  std::vector<float> out(static_cast<std::size_t>(2 * spec.chosen));
  check(spec);
  route(spec, logits.data(), out.data());
  return out;
}

void expect_near(const std::vector<float>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(double{found[i]}, expected[i], 1e-6) << i;
}

const std::vector<float> logits = {0.5f, 2.0f, -1.0f, 1.0f, 1.9f, -3.0f};
double e(int i) { return std::exp(double{logits[static_cast<std::size_t>(i)]}); }
double s(int i) { return 1 / (1 + 1 / e(i)); }

TEST(Route, TakesTheBestOfASoftmax) {
  const double all = e(0) + e(1) + e(2) + e(3) + e(4) + e(5);
  RouteSpec spec{.experts = 6, .chosen = 2};
  expect_near(routed(spec, logits), {1, 4, e(1) / all, e(4) / all});
  spec.normalize = true;
  spec.scale = 2.5f;
  expect_near(routed(spec, logits), {1, 4, 2.5 * e(1) / (e(1) + e(4)), 2.5 * e(4) / (e(1) + e(4))});
  const float expert_scale[] = {1, 10, 1, 1, 0.5f, 1};
  spec.expert_scale = expert_scale;
  expect_near(routed(spec, logits), {1, 4, 25 * e(1) / (e(1) + e(4)), 1.25 * e(4) / (e(1) + e(4))});
  spec = {.experts = 6, .chosen = 3, .scores = ExpertScores::softmax_of_chosen};
  const double three = e(1) + e(4) + e(3);
  expect_near(routed(spec, logits), {1, 4, 3, e(1) / three, e(4) / three, e(3) / three});
}

TEST(Route, ChoosesByCorrectedScoresAndWeighsByScores) {
  const float correction[] = {0, 0, 0.9f, 0, 0, 0.5f};
  RouteSpec spec{.experts = 6, .chosen = 2, .scores = ExpertScores::sigmoid, .correction = correction};
  expect_near(routed(spec, logits), {2, 1, s(2), s(1)});
  spec.normalize = true;
  spec.epsilon = 0.1f;
  expect_near(routed(spec, logits), {2, 1, s(2) / (s(2) + s(1) + 0.1f), s(1) / (s(2) + s(1) + 0.1f)});
}

TEST(Route, TakesExpertsOfTheBestGroupsOnly) {
  // Groups of two count s(0) + s(1), s(2) + s(3), s(4) + s(5): the first is best, by its best alone the last
  // is close behind it.
  RouteSpec spec{.experts = 6, .chosen = 2, .scores = ExpertScores::sigmoid, .groups = 3, .chosen_groups = 1};
  spec.group_best = 2;
  expect_near(routed(spec, logits), {1, 0, s(1), s(0)});
  spec.chosen_groups = 2;
  spec.group_best = 1;
  expect_near(routed(spec, logits), {1, 4, s(1), s(4)});
  const float correction[] = {-5, -5, -5, -5, -5, -5};  // below zero, and still not outside of the groups
  spec.correction = correction;
  spec.chosen = 4;
  expect_near(routed(spec, logits), {1, 4, 0, 5, s(1), s(4), s(0), s(5)});
}

TEST(Route, MixesSparsely) {
  RouteSpec spec{.experts = 6, .chosen = 2, .scores = ExpertScores::sparse_mixer, .jitter = 0.01f};
  expect_near(routed(spec, logits), {1, 4, 1, 1});
  spec.jitter =
      0.1f;  // 1.9 is within 20 % of 2; the second choice looks at 1.9 and less, where nothing is near
  expect_near(routed(spec, logits), {1, 4, e(1) / (e(1) + e(4)), 1});
}

TEST(Route, EqualsGoByNumberAndNaNsComeLast) {
  const RouteSpec spec{.experts = 4, .chosen = 3, .scores = ExpertScores::sigmoid};
  const auto tied = routed(spec, {1, 2, 1, 1});
  EXPECT_EQ(std::vector(tied.begin(), tied.begin() + 3), (std::vector<float>{1, 0, 2}));
  const auto broken = routed(spec, {NAN, 2, 1, NAN});
  EXPECT_EQ(std::vector(broken.begin(), broken.begin() + 3), (std::vector<float>{1, 2, 0}));
  const RouteSpec mixer{.experts = 4, .chosen = 3, .scores = ExpertScores::sparse_mixer, .jitter = 0.01f};
  const auto mixed = routed(mixer, {NAN, NAN, 1, NAN});
  EXPECT_EQ(std::vector(mixed.begin(), mixed.begin() + 3), (std::vector<float>{2, 0, 1}));
}

TEST(Route, RefusesWhatContradictsItself) {
  EXPECT_THROW(check({.experts = 2000, .chosen = 2}), Error);
  EXPECT_THROW(check({.experts = 4, .chosen = 5}), Error);
  EXPECT_THROW(check({.experts = 6, .chosen = 4, .groups = 3, .chosen_groups = 1}), Error);
  EXPECT_THROW(check({.experts = 6, .chosen = 1, .groups = 4}), Error);
}

}  // namespace
}  // namespace pome::kernels
