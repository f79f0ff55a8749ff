#include "hub/names.h"

#include <gtest/gtest.h>

namespace pome::hub {
namespace {

TEST(Names, ARepositoryIsOrgSlashName) {
  const auto plain = parse_repo_name("mlx-community/Qwen3-0.6B-4bit");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->id(), "mlx-community/Qwen3-0.6B-4bit");
  EXPECT_EQ(plain->revision_or_main(), "main");
  EXPECT_EQ(parse_repo_name("a/b@refs/pr/3")->revision, "refs/pr/3");
  for (const char* wrong : {"", "gpt2", "a/", "/b", "a/b/c", "a/b@", "../b", "a/..", "-a/b", "a/b.", "a--b/c",
                            "a/b--c", "a b/c", "a/b\n", "a/b%2e"}) {
    EXPECT_FALSE(parse_repo_name(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_repo_name(std::string(97, 'x') + "/b"));
}

TEST(Names, CommitsAndBlobNamesAreLowerHexOfTheirLength) {
  const std::string sha1(40, 'a'), sha256(64, '0');
  EXPECT_TRUE(is_commit(sha1));
  EXPECT_TRUE(is_blob_name(sha1));
  EXPECT_TRUE(is_blob_name(sha256));
  EXPECT_FALSE(is_commit(sha256));
  EXPECT_FALSE(is_commit(std::string(40, 'A')));
  EXPECT_FALSE(is_commit(sha1 + "\n"));
  EXPECT_FALSE(is_blob_name(std::string(39, 'a')));
  EXPECT_FALSE(is_blob_name("../../" + std::string(34, 'a')));
  EXPECT_FALSE(is_blob_name(""));
}

TEST(Names, FilesStayInsideTheirRepositoryOnEverySystem) {
  for (const char* good : {"config.json", "onnx/model.onnx", "a b/c.txt", ".gitattributes", "…/ü"}) {
    EXPECT_TRUE(is_file_name(good)) << good;
  }
  for (const char* wrong : {"", "/etc/passwd", "../x", "a/../b", "a/..", "a//b", "a/", ".", "./a", "C:\\x",
                            "C:x", "a/C:x", "\\\\host\\share", "a\\..\\b", "a\nb", "a:stream"}) {
    EXPECT_FALSE(is_file_name(wrong)) << wrong;
  }
  EXPECT_FALSE(is_file_name(std::string("a\0b", 3)));
  EXPECT_FALSE(is_file_name(std::string(256, 'a')));
}

TEST(Names, RevisionsStayBelowRefs) {
  EXPECT_TRUE(is_revision("main"));
  EXPECT_TRUE(is_revision("refs/pr/12"));
  EXPECT_TRUE(is_revision("v1.0+cuda"));
  for (const char* wrong : {"", "/main", "../main", "a/../../b", "main\n", "a b", "a^"}) {
    EXPECT_FALSE(is_revision(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace pome::hub
