#include "hub/token.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "hub/options.h"

namespace pome::hub {
namespace {

struct Tokens : testing::Test {
  ScratchFolder scratch;

  Tokens() {
    for (const char* name :
         {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE"}) {
      ::unsetenv(name);
    }
    ::setenv("HF_HOME", (scratch.path() / "hf").c_str(), 1);
  }
  ~Tokens() override { ::unsetenv("HF_HOME"); }
};

TEST_F(Tokens, AreKeptForTheirOwnerOnly) {
  EXPECT_EQ(find_token().value, "");
  EXPECT_FALSE(remove_token());
  save_token(" hf_abc\n");
  EXPECT_EQ(read_file(token_file()), "hf_abc");
  struct stat info{};
  ASSERT_EQ(::stat(token_file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(find_token().value, "hf_abc");
  EXPECT_EQ(find_token().source, token_file().string());
  ::setenv("HF_TOKEN", "hf_env", 1);
  EXPECT_EQ(find_token().value, "hf_env");
  ::unsetenv("HF_TOKEN");
  EXPECT_TRUE(remove_token());
  EXPECT_EQ(find_token().value, "");
}

TEST_F(Tokens, CannotSmuggleHeaders) {
  EXPECT_THROW(save_token("a\r\nX-Evil: 1"), Error);
  EXPECT_THROW(save_token("two words"), Error);
  EXPECT_THROW(save_token("  "), Error);
  fs::create_directories(token_file().parent_path());
  write_file_atomic(token_file(), "a\nb");
  EXPECT_THROW(find_token(), Error);
}

TEST_F(Tokens, TheEnvironmentSaysWhereTheHubIs) {
  EXPECT_EQ(Options::from_environment().endpoint, "https://huggingface.co");
  ::setenv("HF_ENDPOINT", "http://127.0.0.1:1234//", 1);
  ::setenv("HF_HUB_OFFLINE", "yes", 1);
  EXPECT_EQ(Options::from_environment().endpoint, "http://127.0.0.1:1234");
  EXPECT_TRUE(Options::from_environment().offline);
  ::setenv("HF_ENDPOINT", "file:///x", 1);
  EXPECT_THROW(Options::from_environment(), Error);
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("HF_HUB_OFFLINE");
}

}  // namespace
}  // namespace pome::hub
