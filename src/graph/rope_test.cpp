#include "graph/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pome/error.h"

namespace pome::graph {
namespace {

TEST(RopeTables, AreCosineAndSineOfPositionTimesFrequency) {
  const Rope rope{.head_dim = 8,
                  .dims = 6,
                  .interleaved = false,
                  .attention_factor = 0.5F,
                  .inv_freq = {1, 0.1F, 0.01F},
                  .inv_freq_for = {}};
  const std::int32_t positions[] = {0, 7, 100000};
  const std::int32_t planned[] = {100001, 100001, 100001};
  std::vector<float> cos(9);
  std::vector<float> sin(9);
  fill_rope_tables(rope, positions, planned, cos, sin);
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t i = 0; i < 3; ++i) {
      const float angle = static_cast<float>(positions[row]) * rope.inv_freq[i];
      EXPECT_NEAR(cos[row * 3 + i], 0.5 * std::cos(static_cast<double>(angle)), 1e-7);
      EXPECT_NEAR(sin[row * 3 + i], 0.5 * std::sin(static_cast<double>(angle)), 1e-7);
    }
  }
}

TEST(RopeTables, RowsMayPlanDifferentLengths) {
  Rope rope{.head_dim = 2,
            .dims = 2,
            .interleaved = false,
            .attention_factor = 1,
            .inv_freq = {1},
            .inv_freq_for = {}};
  rope.inv_freq_for = [](int planned) { return std::vector<float>{1.0F / static_cast<float>(planned)}; };
  const std::int32_t positions[] = {3, 3, 3};
  const std::int32_t planned[] = {10, 20, 10};
  std::vector<float> cos(3);
  std::vector<float> sin(3);
  fill_rope_tables(rope, positions, planned, cos, sin);
  EXPECT_FLOAT_EQ(sin[0], std::sin(0.3F));
  EXPECT_FLOAT_EQ(sin[1], std::sin(0.15F));
  EXPECT_EQ(sin[2], sin[0]);
}

TEST(RopeTables, OfTheWrongSizeAreRefused) {
  const Rope rope{.head_dim = 4,
                  .dims = 4,
                  .interleaved = false,
                  .attention_factor = 1,
                  .inv_freq = {1},
                  .inv_freq_for = {}};
  const std::int32_t one[] = {0};
  std::vector<float> table(2);
  EXPECT_THROW(fill_rope_tables(rope, one, one, table, table), Error);
}

}  // namespace
}  // namespace pome::graph
