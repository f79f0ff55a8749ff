#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace pome::engine {
namespace {

using namespace testing;

TEST(StepBudget, FollowsWhatWasMeasured) {
  StepBudget budget(512);
  EXPECT_EQ(budget.rows(50), 64);
  budget.record(64, 64);  // a millisecond per row
  EXPECT_EQ(budget.rows(50), 48);
  EXPECT_EQ(budget.rows(250), 240);
  for (int i = 0; i < 20; ++i) budget.record(48, 4.8);
  EXPECT_NEAR(budget.rows(50), 496, 16);
  for (int i = 0; i < 20; ++i) budget.record(512, 5.12);
  EXPECT_EQ(budget.rows(50), 512);
  for (int i = 0; i < 20; ++i) budget.record(512, 512000);
  EXPECT_EQ(budget.rows(50), 16);
}

TEST(StepBudget, IgnoresStepsTooSmallToSayAnything) {
  StepBudget budget(512);
  budget.record(1, 40);
  EXPECT_EQ(budget.rows(50), 64);
  EXPECT_EQ(StepBudget(5).rows(50), 5);
}

class Sharing : public ::testing::Test {
 protected:
  Sequence* add(int prompt) {
    owned_.push_back(std::make_unique<Sequence>(make_request(fake_, made_up_prompt(prompt), 5), owned_.size(),
                                                std::make_shared<Channel>()));
    all_.push_back(owned_.back().get());
    all_.back()->start(std::make_unique<FakeCache>(0));
    return all_.back();
  }

  Fake fake_ = make_fake();
  std::vector<std::unique_ptr<Sequence>> owned_;
  std::vector<Sequence*> all_;
};

TEST_F(Sharing, NextTokensFirstThenPromptsInOrder) {
  Sequence* first = add(100);
  Sequence* second = add(30);
  Sequence* third = add(1);
  Sequence* fourth = add(50);
  const auto shares = share_out(all_, 120);
  ASSERT_EQ(shares.size(), 3u);
  EXPECT_EQ(shares[0].sequence, third);
  EXPECT_EQ(shares[0].rows, 1);
  EXPECT_EQ(shares[1].sequence, first);
  EXPECT_EQ(shares[1].rows, 100);
  EXPECT_EQ(shares[2].sequence, second);
  EXPECT_EQ(shares[2].rows, 19);
  EXPECT_EQ(fourth->pending(), 50);

  const graph::Step step = make_step(shares);
  EXPECT_EQ(step.tokens.size(), 120u);
  EXPECT_EQ(step.out_rows, (std::vector<std::int32_t>{0, 100}));  // the second prompt is not complete
  EXPECT_EQ(step.segments[2].begin, 101);
  EXPECT_EQ(step.segments[2].length, 19);
  EXPECT_EQ(step.segments[1].planned_length, 105);
}

TEST_F(Sharing, PromptsMoveOnHoweverManyTokensRun) {
  for (int i = 0; i < 60; ++i) add(1);
  add(100);
  const auto shares = share_out(all_, 40);
  ASSERT_EQ(shares.size(), 61u);
  EXPECT_EQ(shares.back().rows, StepBudget::floor_rows);
}

}  // namespace
}  // namespace pome::engine
