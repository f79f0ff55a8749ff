#include "engine/penalties.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace pome::engine {
namespace {

using Row = std::vector<float>;
using History = std::vector<std::int32_t>;
constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Penalties, MaskForbidsWhatItsBitsLeaveOut) {
  Row row(70, 1);
  const std::vector<std::uint32_t> words{0xffffffff, 0x80000001};  // the third word is missing
  apply_mask(row, words);
  for (std::size_t i = 0; i < row.size(); ++i) {
    EXPECT_EQ(row[i], i < 32 || i == 32 || i == 63 ? 1 : -infinity) << i;
  }
}

TEST(Penalties, BiasIsAddedWhereThereIsALogit) {
  Row row{1, 2, 3};
  apply_bias(row, {{0, 0.5f}, {2, -100.0f}, {3, 7.0f}, {-1, 7.0f}});
  EXPECT_EQ(row, (Row{1.5f, 2, -97}));
}

TEST(Penalties, RepetitionDividesAndMultipliesOnce) {
  const History history{4, 0, 1, 0, 2, 99, -1};
  Row row{4, -4, 0, 4, 4};
  penalize_repetition(row, history, 2, -1);
  EXPECT_EQ(row, (Row{2, -8, 0, 4, 2}));
  row = {4, -4, 0, 4, -infinity};
  penalize_repetition(row, history, 2, -1);
  EXPECT_EQ(row[4], -infinity);
}

TEST(Penalties, PresenceCountsOnceFrequencyEveryTime) {
  const History history{0, 1, 0, 0, 2};
  Row row(4, 0.0f);
  penalize_presence(row, history, 0.5f, -1);
  EXPECT_EQ(row, (Row{-0.5f, -0.5f, -0.5f, 0}));
  row.assign(4, 0.0f);
  penalize_frequency(row, history, 0.5f, -1);
  EXPECT_EQ(row, (Row{-1.5f, -0.5f, -0.5f, 0}));
}

TEST(Penalties, WindowsCountFromTheEnd) {
  const History history{0, 1, 0, 0, 2};
  for (const auto& [window, expected] : std::vector<std::pair<int, Row>>{
           {0, {0, 0, 0}}, {1, {0, 0, -1}}, {3, {-2, 0, -1}}, {4, {-2, -1, -1}}, {99, {-3, -1, -1}}}) {
    Row row(3, 0.0f);
    penalize_frequency(row, history, 1, window);
    EXPECT_EQ(row, expected) << window;
  }
}

TEST(Penalties, NeutralValuesChangeNothing) {
  const History history{0, 1, 2, 2};
  const Row before{1.25f, -3, 0};
  Row row = before;
  penalize_repetition(row, history, 1, -1);
  penalize_presence(row, history, 0, -1);
  penalize_frequency(row, history, 0, -1);
  apply_bias(row, {});
  EXPECT_EQ(row, before);
}

}  // namespace
}  // namespace pome::engine
