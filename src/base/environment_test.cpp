#include "base/environment.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace pome {
namespace {

TEST(Environment, FoldersMayNameVariablesAndHome) {
  ::setenv("POME_TEST_FOLDER", "/data", 1);
  ::unsetenv("POME_TEST_NONE");
  EXPECT_EQ(expand_path("$POME_TEST_FOLDER/hub"), "/data/hub");
  EXPECT_EQ(expand_path("${POME_TEST_FOLDER}2/hub"), "/data2/hub");
  EXPECT_EQ(expand_path("/a/$POME_TEST_NONE/b"), "/a/$POME_TEST_NONE/b");
  EXPECT_EQ(expand_path("~/x"), home_folder() / "x");
  EXPECT_EQ(expand_path("~"), home_folder());
  for (const char* odd : {"$", "/a$", "${", "${POME_TEST_FOLDER", "$$", "a${}b"}) {
    EXPECT_EQ(expand_path(odd), odd == std::string("${POME_TEST_FOLDER") ? "/data" : odd) << odd;
  }
  ::unsetenv("POME_TEST_FOLDER");
}

}  // namespace
}  // namespace pome
