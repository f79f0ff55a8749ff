#include "base/units.h"

#include <gtest/gtest.h>

namespace pome {
namespace {

TEST(Units, SizesHaveOneDigitAfterThePoint) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1024), "1.0 KiB");
  EXPECT_EQ(size_text((1u << 20) - 1), "1.0 MiB");
  EXPECT_EQ(size_text(std::uint64_t{18468410163}), "17.2 GiB");
  EXPECT_EQ(size_text(UINT64_MAX), "16.0 EiB");
}

}  // namespace
}  // namespace pome
