#include "base/nearest.h"

#include <gtest/gtest.h>

#include <vector>

namespace pome {
namespace {

TEST(Nearest, FindsMisspeltWords) {
  const std::vector<std::string> verbs{"run", "chat", "show", "tokenize", "detokenize", "template"};
  EXPECT_EQ(nearest("rnu", verbs), "run");
  EXPECT_EQ(nearest("tokenise", verbs), "tokenize");
  EXPECT_EQ(nearest("detoknize", verbs), "detokenize");
  EXPECT_EQ(nearest("chta", verbs), "chat");
}

TEST(Nearest, SaysNothingWhereNothingIsNear) {
  const std::vector<std::string> words{"llama", "qwen3"};
  EXPECT_EQ(nearest("mixture", words), std::nullopt);
  EXPECT_EQ(nearest("", {}), std::nullopt);
  EXPECT_EQ(nearest(std::string(100000, 'a'), words), std::nullopt);
}

}  // namespace
}  // namespace pome
