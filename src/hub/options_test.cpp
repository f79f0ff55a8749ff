#include "hub/options.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "hub/token.h"

namespace pome::hub {
namespace {

// Variables set for one test.
struct OptionsFromEnvironment : testing::Test {
  ScratchFolder scratch;
  std::map<std::string, std::optional<std::string>> before;

  void set(const std::string& name, const std::string& value) {
    if (!before.contains(name)) {
      const char* old = ::getenv(name.c_str());
      before[name] = old == nullptr ? std::nullopt : std::optional<std::string>(old);
    }
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  OptionsFromEnvironment() {
    for (const char* name : {"HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE",
                             "TRANSFORMERS_OFFLINE", "HF_TOKEN_PATH"}) {
      set(name, "");
    }
    set("HF_HOME", scratch.path().string());
  }
  ~OptionsFromEnvironment() override {
    for (const auto& [name, value] : before) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }
};

using namespace std::chrono_literals;

TEST_F(OptionsFromEnvironment, TimesForQuestionsAndForFiles) {
  set("HF_HUB_ETAG_TIMEOUT", "3");
  set("HF_HUB_DOWNLOAD_TIMEOUT", "90");
  const Options options = Options::from_environment();
  EXPECT_EQ(options.answer_timeout, 3s);
  EXPECT_EQ(options.stall_timeout, 90s);
  EXPECT_EQ(options.connect_timeout, 90s);
  set("HF_HUB_ETAG_TIMEOUT", "0");
  EXPECT_EQ(Options::from_environment().answer_timeout, Options().answer_timeout);
  for (const char* bad : {"x", "-1", "1.5", "99999999999999"}) {
    set("HF_HUB_ETAG_TIMEOUT", bad);
    EXPECT_THROW(Options::from_environment(), Error) << bad;
  }
}

TEST_F(OptionsFromEnvironment, TheFirstWordOnBeingOfflineCounts) {
  set("TRANSFORMERS_OFFLINE", "1");
  EXPECT_TRUE(Options::from_environment().offline);
  set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(Options::from_environment().offline);
  set("HF_HUB_OFFLINE", "TRUE");
  EXPECT_TRUE(Options::from_environment().offline);
}

TEST_F(OptionsFromEnvironment, TokensLieWhereAskedAndStayWhereAsked) {
  set("HF_TOKEN_PATH", (scratch.path() / "elsewhere/token").string());
  save_token("hf_elsewhere");
  EXPECT_EQ(read_file(scratch.path() / "elsewhere/token"), "hf_elsewhere");
  EXPECT_EQ(Options::from_environment().token, "hf_elsewhere");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(Options::from_environment().token, "");
  EXPECT_EQ(find_token().value, "hf_elsewhere");
}

TEST_F(OptionsFromEnvironment, WhoIsAskingIsSaidInOneLine) {
  EXPECT_EQ(Options::from_environment().user_agent, "pome");
  set("HF_HUB_USER_AGENT_ORIGIN", "a partner/2");
  EXPECT_EQ(Options::from_environment().user_agent, "pome; origin/a partner/2");
  set("HF_HUB_USER_AGENT_ORIGIN", "a\r\nX-Evil: 1");
  EXPECT_THROW(Options::from_environment(), Error);
}

}  // namespace
}  // namespace pome::hub
