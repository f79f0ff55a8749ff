#include "engine/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace pome::engine {
namespace {

// The known answers that come with the authors' Random123 library.
TEST(Philox, KnownAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Uniform, FillsTheUnitIntervalEvenly) {
  constexpr int draws = 100'000;
  std::array<int, 20> bins{};
  std::set<double> seen;
  for (std::uint64_t i = 0; i < draws; ++i) {
    const double u = uniform(7, i, Draw::token);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ++bins[static_cast<std::size_t>(u * 20)];
    seen.insert(u);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(draws));
  for (const int count : bins) EXPECT_NEAR(count, draws / 20, 6 * std::sqrt(draws / 20));
}

TEST(Uniform, SeedIndexAndUseAllMatter) {
  const double u = uniform(1, 1, Draw::token);
  EXPECT_EQ(u, uniform(1, 1, Draw::token));
  EXPECT_NE(u, uniform(2, 1, Draw::token));
  EXPECT_NE(u, uniform(1, 2, Draw::token));
  EXPECT_NE(u, uniform(1, 1, Draw::xtc));
  EXPECT_NE(u, uniform(1 + (std::uint64_t{1} << 32), 1, Draw::token));
}

}  // namespace
}  // namespace pome::engine
