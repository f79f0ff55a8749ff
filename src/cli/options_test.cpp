#include "cli/options.h"

#include <gtest/gtest.h>

#include <set>

#include "cli/help.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

using Words = std::vector<std::string>;

struct Parsed {
  Words words;
  std::string text = "unset";
  std::vector<std::string> many;
  std::optional<float> number;
  int count = 0;
  bool flag = false;
};

Parsed parse(const Words& arguments) {
  Parsed p;
  Options options;
  options.option("--text", p.text, "TEXT", "");
  options.option("--many", p.many, "TEXT", "");
  options.option("--number", p.number, "N", "");
  options.option("--count,-n", p.count, "N", "");
  options.flag("--flag,-f", p.flag, "");
  options.words({"WORD…"}, p.words, 0, 10);
  options.parse(arguments);
  return p;
}

TEST(Options, LeavesWordsAsTheyAre) {
  EXPECT_EQ(parse({"[INST] a, b [/INST]", "-", "- a dash", "", "{x}"}).words,
            (Words{"[INST] a, b [/INST]", "-", "- a dash", "", "{x}"}));
  EXPECT_EQ(parse({"a", "--", "--flag", "-n", "--"}).words, (Words{"a", "--flag", "-n", "--"}));
  EXPECT_EQ(parse({"a", "--flag", "b"}).words, (Words{"a", "b"}));
}

TEST(Options, TakesOneValueEach) {
  EXPECT_EQ(parse({"--text", "[a,b]", "rest"}).text, "[a,b]");
  EXPECT_EQ(parse({"--text=a=b"}).text, "a=b");
  EXPECT_EQ(parse({"--text=", "word"}).text, "");
  EXPECT_EQ(parse({"--text=", "word"}).words, Words{"word"});
  EXPECT_EQ(parse({"--text", "--flag"}).text, "--flag");
  EXPECT_EQ(parse({"--many", "[a,b]", "--many", "c", "d"}).many, (Words{"[a,b]", "c"}));
  EXPECT_EQ(parse({"--number", "-1.5"}).number, -1.5f);
  EXPECT_EQ(parse({"-n5", "-f"}).count, 5);
  EXPECT_EQ(parse({"-n", "1", "-n", "2"}).count, 2) << "the last one counts";
}

std::string refusal(const Words& arguments) {
  try {
    parse(arguments);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.what() + (e.hint().empty() ? "" : " | " + e.hint());
  }
  return "accepted";
}

TEST(Options, SayWhatIsWrong) {
  EXPECT_EQ(refusal({"--cuont", "3"}), "unknown option --cuont | did you mean --count?");
  EXPECT_EQ(refusal({"--cuont=3"}), "unknown option --cuont | did you mean --count?");
  EXPECT_EQ(refusal({"-q"}), "unknown option -q");
  EXPECT_EQ(refusal({"--count"}), "--count: value missing");
  EXPECT_EQ(refusal({"--count", "3x"}), "--count: \"3x\" is not a whole number");
  EXPECT_EQ(refusal({"--count", "99999999999"}), "--count: \"99999999999\" is not a whole number");
  EXPECT_EQ(refusal({"--number", ""}), "--number: \"\" is not a number");
  EXPECT_EQ(refusal(Words(11, "w")), "\"w\" is one word too many");
}

TEST(Verbs, HaveNamesOfTheirOwnAndExplainThemselves) {
  std::set<std::string_view> names;
  for (const Verb* verb : verbs()) {
    EXPECT_TRUE(names.insert(verb->name).second) << verb->name;
    EXPECT_FALSE(verb->summary.empty()) << verb->name;
    EXPECT_FALSE(verb->examples.empty()) << verb->name;
    EXPECT_NE(help_text().find(verb->summary), std::string::npos) << verb->name;

    Options options;
    const Action action = verb->declare(options);
    std::set<std::string> option_names;
    for (const OptionRow& row : options.rows()) {
      EXPECT_FALSE(row.help.empty()) << verb->name << " " << row.names;
      for (const std::string& name : split_names(row.names))
        EXPECT_TRUE(option_names.insert(name).second) << name;
    }
    for (const Example& example : verb->examples) {
      EXPECT_TRUE(example.command.starts_with("pome ")) << example.command;
      if (!example.command.starts_with(fmt::format("pome {}", verb->name))) continue;
      const std::string command(example.command);
      for (std::size_t at = command.find(" --"); at != std::string::npos; at = command.find(" --", at + 1)) {
        const std::string name = command.substr(at + 1, command.find_first_of(" =", at + 1) - at - 1);
        EXPECT_TRUE(option_names.contains(name)) << command;
      }
    }
  }
}

}  // namespace
}  // namespace pome::cli
