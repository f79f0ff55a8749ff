#include "cli/environment_table.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "base/file.h"

namespace pome::cli {
namespace {

std::set<std::string> listed() {
  std::set<std::string> names;
  for (const EnvironmentGroup& group : environment_table()) {
    for (const EnvironmentRow& row : group.rows) {
      const std::string text(row.names);
      const std::regex name("[A-Za-z_]+");
      for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) {
        EXPECT_TRUE(names.insert(it->str()).second) << it->str() << " is listed twice";
      }
    }
  }
  return names;
}

// Words in quotes that look like the variables of the Hub, of TLS, of proxies and of pome.
std::set<std::string> mentioned() {
  const std::regex quoted(
      "\"((?:HF_|HUGGING|TRANSFORMERS_|SSL_CERT|POME_|XDG_|REQUESTS_CA|CURL_CA)[A-Z_]+|"
      "(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY)\"");
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(POME_SOURCE_DIR "/src")) {
    const std::string file = entry.path().filename().string();
    if (entry.path().extension() != ".cpp" || file.ends_with("_test.cpp")) continue;
    const std::string text = read_file(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it) {
      names.insert((*it)[1].str());
    }
  }
  return names;
}

TEST(EnvironmentTable, HasWhatTheProgramReadsAndNothingElse) {
  const std::set<std::string> table = listed(), program = mentioned();
  EXPECT_GT(program.size(), 25u);
  for (const std::string& name : program) EXPECT_TRUE(table.contains(name)) << name << " is not in the table";
  for (const std::string& name : table) EXPECT_TRUE(program.contains(name)) << name << " is read nowhere";
}

}  // namespace
}  // namespace pome::cli
