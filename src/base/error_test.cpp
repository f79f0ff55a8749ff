#include "base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace pome {
namespace {

TEST(Error, PutsOuterFramesFirstAndKeepsTheHintApart) {
  Error e = error(ErrorKind::corrupt, "tensor {} ends at byte {}", "w", 12).with_hint("pome verify m");
  e.in("model.safetensors").in("/models/m");
  EXPECT_STREQ(e.what(), "/models/m: model.safetensors: tensor w ends at byte 12");
  EXPECT_EQ(e.message(), "tensor w ends at byte 12");
  EXPECT_EQ(e.hint(), "pome verify m");
}

TEST(Error, TableIsIndexedByKindAndEveryExitCodeIsItsOwn) {
  std::set<int> codes;
  std::set<std::string_view> names;
  for (const ErrorRow& row : error_table()) {
    EXPECT_EQ(&error_row(row.kind), &row);
    EXPECT_TRUE(codes.insert(row.exit_code).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NE(row.exit_code, 0);
    EXPECT_GE(row.http_status, 400);
  }
}

}  // namespace
}  // namespace pome
