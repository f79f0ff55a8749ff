#include "kernels/select/select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/select/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using select::Row;

std::vector<const Row*> levels() { return executable(select::rows()); }

TEST(Select, FindsTheLargestWhereverItStands) {
  for (int count : {1, 15, 64, 65, 300}) {
    for (int at = 0; at < count; ++at) {
      std::vector<float> x = gaussian(1, count);
      x[static_cast<std::size_t>(at)] = 100;
      for (const Row* row : levels()) {
        EXPECT_EQ(row->functions->largest(x.data(), count), 100) << isa_name(row->isa);
        EXPECT_EQ(row->functions->index_of_largest(x.data(), count), at) << isa_name(row->isa);
      }
    }
  }
}

TEST(Select, LargestPassesOverWhatIsNotANumber) {
  for (const Row* row : levels()) {
    std::vector<float> x(130, std::nanf(""));
    EXPECT_EQ(row->functions->largest(x.data(), 130), -std::numeric_limits<float>::infinity());
    x[7] = -3;
    EXPECT_EQ(row->functions->largest(x.data(), 130), -3) << isa_name(row->isa);
    x[129] = 5;
    EXPECT_EQ(row->functions->largest(x.data(), 130), 5) << isa_name(row->isa);
  }
}

TEST(Select, IndexOfTheLargestIsTheFirstsAndRefusesWhatIsNoNumber) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (int count : {1, 64, 65, 300}) {
    for (const Row* row : levels()) {
      std::vector<float> x(static_cast<std::size_t>(count), -infinity);
      const auto index = [&] { return row->functions->index_of_largest(x.data(), count); };
      EXPECT_EQ(index(), 0) << isa_name(row->isa);
      std::fill(x.begin() + count / 2, x.end(), 7.0f);
      EXPECT_EQ(index(), count / 2) << isa_name(row->isa);
      for (const float bad : {infinity, std::nanf("")}) {
        for (const int at : {0, count / 3, count - 1}) {
          const float before = std::exchange(x[static_cast<std::size_t>(at)], bad);
          EXPECT_EQ(index(), -1) << isa_name(row->isa) << " " << at;
          x[static_cast<std::size_t>(at)] = before;
        }
      }
    }
  }
}

TEST(Select, ListsAllAtLeastTheThreshold) {
  for (int count : {1, 63, 64, 200, 5000}) {
    std::vector<float> x = gaussian(1, count);
    if (count > 20) x[20] = std::nanf("");
    for (float threshold : {-10.0f, 0.5f, 2.5f, 100.0f, x[0]}) {
      std::vector<std::int32_t> expected;
      for (int i = 0; i < count; ++i) {
        if (x[static_cast<std::size_t>(i)] >= threshold) expected.push_back(i);
      }
      for (const Row* row : levels()) {
        std::vector<std::int32_t> out(static_cast<std::size_t>(count) + 1, -1);
        const std::int64_t found =
            row->functions->indices_at_least(x.data(), count, threshold, out.data(), count);
        EXPECT_EQ(found, static_cast<std::int64_t>(expected.size())) << isa_name(row->isa);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.begin())) << isa_name(row->isa);
      }
    }
  }
}

TEST(Select, StopsWritingAtCapacityAndGoesOnCounting) {
  const std::vector<float> x(500, 1.0f);
  for (const Row* row : levels()) {
    std::vector<std::int32_t> out(11, -1);
    EXPECT_EQ(row->functions->indices_at_least(x.data(), 500, 0.0f, out.data(), 10), 500);
    EXPECT_EQ(out[9], 9);
    EXPECT_EQ(out[10], -1);
  }
}

TEST(Select, SumOfExponentialsIsCloseAndTheSameEverywhere) {
  for (int count : {1, 16, 100, 4096, 9001}) {
    std::vector<float> x = gaussian(1, count, true);
    if (count > 50) x[50] = -std::numeric_limits<float>::infinity();
    const float top = *std::max_element(x.begin(), x.end());
    for (float factor : {1.0f, 0.5f, 2.0f}) {
      double expected = 0;
      for (float v : x) expected += std::exp((double{v} - double{top}) * double{factor});
      const double first = select::rows().front().functions->sum_exp(x.data(), count, top, factor);
      EXPECT_NEAR(first, expected, 1e-6 * expected);
      for (const Row* row : levels()) {
        EXPECT_EQ(row->functions->sum_exp(x.data(), count, top, factor), first) << isa_name(row->isa);
      }
    }
  }
}

}  // namespace
}  // namespace pome::kernels
