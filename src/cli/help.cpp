#include "cli/help.h"

#include "base/cpu.h"
#include "cli/environment_table.h"
#include "cli/output.h"

namespace pome::cli {
namespace {

struct Heading {
  Group group;
  std::string_view title;
};

constexpr Heading headings[]{
    {Group::get_and_keep, "get and keep"},
    {Group::make, "make"},
    {Group::use, "use"},
    {Group::serve, "serve"},
    {Group::look_inside, "look inside"},
    {Group::help, "help"},
};

constexpr Example help_examples[]{{"pome help", "all verbs"},
                                  {"pome help run", "the options of one"},
                                  {"pome help environment", "the variables that pome reads"}};

Action declare_help(Options& options) {
  auto words = std::make_shared<std::vector<std::string>>();
  std::vector<std::string> names;
  for (const Verb* verb : verbs()) names.emplace_back(verb->name);
  names.emplace_back("environment");
  options.words({"VERB"}, *words, 0, 1, std::move(names));
  return [words] {
    if (words->empty()) {
      print(help_text());
    } else {
      print(words->front() == "environment" ? environment_text() : help_text(find_verb(words->front())));
    }
  };
}

std::string option_names(const OptionRow& row) {
  std::string names;
  for (const std::string& name : split_names(row.names)) names += (names.empty() ? "" : ", ") + name;
  return row.value.empty() ? names : names + " " + row.value;
}

}  // namespace

extern constexpr Verb help_verb{"help", Group::help, "what there is, and how it is used", help_examples,
                                declare_help};

std::string help_text() {
  std::string text =
      "pome gets, inspects, converts, runs and serves models in the MLX format.\n\nusage: pome VERB "
      "[options]\n";
  std::size_t widest = 0;
  for (const Verb* verb : verbs()) widest = std::max(widest, verb->name.size());
  for (const Heading& heading : headings) {
    std::vector<std::vector<std::string>> rows;
    for (const Verb* verb : verbs()) {
      if (verb->group != heading.group) continue;
      std::string name(verb->name);
      name.resize(widest, ' ');
      rows.push_back({std::move(name), std::string(verb->summary)});
    }
    if (!rows.empty()) text += fmt::format("\n{}\n{}", heading.title, table(rows, "  "));
  }
  text +=
      "\npome help VERB     options and examples of one verb, or the environment variables (environment)"
      "\npome --version     versions, and what this processor can do\n";
  return text;
}

std::string help_text(const Verb& verb) {
  Options options;
  const Action action = verb.declare(options);
  std::string text =
      fmt::format("pome {}: {}\n\nusage: pome {} {}\n", verb.name, verb.summary, verb.name, options.usage());
  std::string group;
  std::vector<std::vector<std::string>> rows;
  const auto finish_group = [&] {
    if (!rows.empty()) text += fmt::format("\n{}\n{}", group, table(rows, "  "));
    rows.clear();
  };
  for (const OptionRow& row : options.rows()) {
    if (row.group != group) finish_group();
    group = row.group;
    rows.push_back({option_names(row), row.help});
  }
  finish_group();
  if (!verb.examples.empty()) {
    text += "\nexamples\n";
    for (const Example& example : verb.examples) {
      rows.push_back({std::string(example.command), std::string(example.about)});
    }
    text += table(rows, "  ");
  }
  return text;
}

Json version_json() {
  return Json{{"pome", POME_VERSION},
              {"mlx", POME_MLX_VERSION},
              {"cpu", {{"architecture", cpu_architecture()}, {"features", cpu_features()}}}};
}

std::string version_text() {
  return fmt::format("pome {}\nMLX {}\nCPU {}: {}\n", POME_VERSION, POME_MLX_VERSION, cpu_architecture(),
                     fmt::join(cpu_features(), " "));
}

}  // namespace pome::cli
