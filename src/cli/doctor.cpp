#include "services/doctor.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/doctor_online.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome doctor", "the cache, the disk, and every model that is not complete"},
    {"pome doctor mlx-community/Qwen3-0.6B-4bit", "why it is not listed or does not load"},
    {"pome doctor ~/Documents/Models", ""},
    {"pome doctor --online", "whether the Hub can be reached, and how"},
};

struct DoctorVerb {
  std::vector<std::string> words;
  bool json = false, online = false;
};

void run(const DoctorVerb& o) {
  using services::Advice;
  const store::Paths paths = store::Paths::from_environment();
  std::vector<Advice> all =
      o.words.empty() ? services::examine_library(paths) : services::examine_model(o.words.front(), paths);
  if (o.online) {
    const std::string model = o.words.empty() ? "" : o.words.front();
    for (Advice& advice : services::examine_network(hub::Options::from_environment(), model)) {
      all.push_back(std::move(advice));
    }
  }
  for (const Advice& advice : all) {
    if (o.json) {
      print_json(advice.to_json());
      continue;
    }
    constexpr std::string_view marks[]{"ok", "note", "PROBLEM"};
    print(fmt::format("{:<7}  {}: {}\n", marks[static_cast<std::size_t>(advice.grade)], advice.subject,
                      advice.text));
    if (!advice.command.empty()) print(fmt::format("         try: {}\n", advice.command));
  }
}

Action declare(Options& options) {
  auto doctor = std::make_shared<DoctorVerb>();
  options.words({"MODEL"}, doctor->words, 0, 1);
  options.flag("--online", doctor->online,
               "ask the Hub too: proxy, certificate, clock, token, and whether it has MODEL");
  options.flag("--json", doctor->json, "one object per line");
  return [doctor] { run(*doctor); };
}

}  // namespace

extern constexpr Verb doctor_verb{"doctor", Group::get_and_keep,
                                  "why a model is not listed or does not load, and what to run", examples,
                                  declare};

}  // namespace pome::cli
