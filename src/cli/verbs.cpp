#include "cli/verb.h"

#include "base/nearest.h"

namespace pome::cli {

extern const Verb list_verb, import_verb, rm_verb, clean_verb, verify_verb, doctor_verb, manifest_verb;
extern const Verb outdated_verb, update_verb, recommend_verb, search_verb, pull_verb, login_verb, logout_verb,
    whoami_verb;
extern const Verb show_verb, alias_verb, run_verb, chat_verb, archs_verb, tokenize_verb, detokenize_verb,
    template_verb, logits_verb, bench_verb, completion_verb, help_verb;

namespace {

constexpr const Verb* table[]{
    // get and keep
    &recommend_verb,
    &search_verb,
    &pull_verb,
    &outdated_verb,
    &update_verb,
    &list_verb,
    &import_verb,
    &rm_verb,
    &clean_verb,
    &verify_verb,
    &doctor_verb,
    &manifest_verb,
    &show_verb,
    &alias_verb,
    &login_verb,
    &logout_verb,
    &whoami_verb,
    // use
    &run_verb,
    &chat_verb,
    // look inside
    &archs_verb,
    &tokenize_verb,
    &detokenize_verb,
    &template_verb,
    &logits_verb,
    &bench_verb,
    // help
    &completion_verb,
    &help_verb,
};

}  // namespace

std::span<const Verb* const> verbs() { return table; }

const Verb& find_verb(std::string_view name) {
  std::vector<std::string> names;
  for (const Verb* verb : verbs()) {
    if (verb->name == name) return *verb;
    names.emplace_back(verb->name);
  }
  const auto near = nearest(name, names);
  throw error(ErrorKind::usage, "unknown verb \"{}\"", name)
      .with_hint(near ? fmt::format("pome {}", *near) : "pome --help");
}

}  // namespace pome::cli
