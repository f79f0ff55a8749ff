#include "base/letters.h"

#include <gtest/gtest.h>

namespace pome {
namespace {

TEST(Letters, LoseTheirCaseAndNothingElse) {
  EXPECT_EQ(lower("Qwen3-0.6B @[`{\xC3\x84"), "qwen3-0.6b @[`{\xC3\x84");
  EXPECT_TRUE(same_letters("MLX-community/A", "mlx-COMMUNITY/a"));
  EXPECT_FALSE(same_letters("a", "ab"));
  EXPECT_FALSE(same_letters("@", "`"));
}

}  // namespace
}  // namespace pome
