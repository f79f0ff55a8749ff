#include "store/paths.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <optional>
#include <string>

#include "base/scratch_folder.h"

namespace pome::store {
namespace {

// Sets environment variables (nullptr: unsets) until it goes out of scope.
class Environment {
 public:
  explicit Environment(const std::map<std::string, const char*>& values) {
    for (const auto& [name, value] : values) {
      const char* old = ::getenv(name.c_str());
      old_[name] = old == nullptr ? std::nullopt : std::optional<std::string>(old);
      value == nullptr ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value, 1);
    }
  }
  Environment(const Environment&) = delete;
  ~Environment() {
    for (const auto& [name, value] : old_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }

 private:
  std::map<std::string, std::optional<std::string>> old_;
};

std::map<std::string, const char*> nothing_set() {
  return {{"HOME", "/h"},
          {"XDG_DATA_HOME", nullptr},
          {"XDG_STATE_HOME", nullptr},
          {"XDG_CACHE_HOME", nullptr},
          {"XDG_CONFIG_HOME", nullptr},
          {"HF_HUB_CACHE", nullptr},
          {"HUGGINGFACE_HUB_CACHE", nullptr},
          {"HF_HOME", nullptr},
          {"POME_DEMO", nullptr}};
}

TEST(Paths, DefaultsLieBelowHome) {
  const Environment environment(nothing_set());
  const Paths paths = Paths::from_environment();
  EXPECT_EQ(paths.data, "/h/.local/share/pome");
  EXPECT_EQ(paths.state, "/h/.local/state/pome");
  EXPECT_EQ(paths.cache, "/h/.cache/pome");
  EXPECT_EQ(paths.config, "/h/.config/pome");
  EXPECT_EQ(paths.hf_cache, "/h/.cache/huggingface/hub");
}

TEST(Paths, TheHubCacheFollowsHuggingfaceHub) {
  const Environment clean(nothing_set());
  const Environment cache({{"XDG_CACHE_HOME", "/x"}});
  EXPECT_EQ(Paths::from_environment().hf_cache, "/x/huggingface/hub");
  EXPECT_EQ(Paths::from_environment().cache, "/x/pome");
  const Environment home({{"HF_HOME", "~/hf"}});
  EXPECT_EQ(Paths::from_environment().hf_cache, "/h/hf/hub");
  const Environment old_name({{"HUGGINGFACE_HUB_CACHE", "/old"}});
  EXPECT_EQ(Paths::from_environment().hf_cache, "/old");
  const Environment name({{"HF_HUB_CACHE", "/new"}});
  EXPECT_EQ(Paths::from_environment().hf_cache, "/new");
}

TEST(Paths, RelativeXdgValuesAreIgnored) {
  const Environment clean(nothing_set());
  const Environment relative({{"XDG_DATA_HOME", "here"}, {"XDG_CONFIG_HOME", ""}});
  EXPECT_EQ(Paths::from_environment().data, "/h/.local/share/pome");
  EXPECT_EQ(Paths::from_environment().config, "/h/.config/pome");
}

TEST(Paths, TheDemoIsFoundBesideTheProgramOrWhereTheVariableSays) {
  const Environment clean(nothing_set());
  EXPECT_EQ(Paths::from_environment().demo.filename(), "demo");
  const Environment demo({{"POME_DEMO", "/elsewhere/model"}});
  EXPECT_EQ(Paths::from_environment().demo, "/elsewhere/model");
}

}  // namespace
}  // namespace pome::store
