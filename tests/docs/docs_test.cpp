// Documents may name files of the house; each must exist.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace {

namespace fs = std::filesystem;

// Backquoted words with a slash that start like a place in the tree, or in src/.
std::vector<std::string> missing_paths(const std::string& text) {
  static const std::regex quoted("`([A-Za-z_][A-Za-z0-9_./-]*/[A-Za-z0-9_./-]*)`");
  const fs::path root = POME_SOURCE_DIR;
  std::vector<std::string> missing;
  for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it) {
    const std::string path = (*it)[1];
    const std::string first = path.substr(0, path.find('/'));
    if (first == "build" || (!fs::exists(root / first) && !fs::exists(root / "src" / first))) continue;
    if (!fs::exists(root / path) && !fs::exists(root / "src" / path)) missing.push_back(path);
  }
  return missing;
}

TEST(Docs, NameOnlyFilesThatExist) {
  for (const char* document : {"README.md", "HACKING.md"}) {
    std::ifstream file(fs::path(POME_SOURCE_DIR) / document);
    ASSERT_TRUE(file) << document;
    std::stringstream text;
    text << file.rdbuf();
    for (const std::string& path : missing_paths(text.str())) ADD_FAILURE() << document << " names " << path;
  }
}

TEST(Docs, NoticesAPathThatIsGone) {
  EXPECT_EQ(missing_paths("see `base/error.h` and `src/base/error.h`"), std::vector<std::string>{});
  EXPECT_EQ(missing_paths("see `base/gone.h`"), std::vector<std::string>{"base/gone.h"});
}

}  // namespace
