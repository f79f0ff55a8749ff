#include "services/update.h"

#include "cli/fetching.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example outdated_examples[]{
    {"pome outdated", "every model whose main branch has moved on"},
    {"pome outdated mlx-community/Qwen3-0.6B-4bit --json", ""},
};
constexpr Example update_examples[]{
    {"pome update", "everything that is outdated; the old revisions stay"},
    {"pome update mlx-community/Qwen3-0.6B-4bit", "one model"},
    {"pome update mlx-community/Qwen3-0.6B-4bit --rollback", "back to the revision before"},
};

Action declare_outdated(Options& options) {
  auto names = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  options.words({"MODEL…"}, *names, 0, std::string::npos);
  options.flag("--json", *json, "one object per line");
  return [names, json] {
    std::vector<std::vector<std::string>> rows;
    for (const services::Outdated& row : services::outdated(*names, {})) {
      if (*json) {
        print_json({{"name", row.name},
                    {"here", row.here},
                    {"newest", row.newest.empty() ? Json() : Json(row.newest)}});
      }
      rows.push_back({row.name, row.here.substr(0, 7),
                      row.newest.empty() ? "is gone from the Hub" : row.newest.substr(0, 7)});
    }
    if (*json) return;
    if (rows.empty()) {
      talk("everything is as new as on the Hub\n");
      return;
    }
    rows.insert(rows.begin(), {"model", "here", "newest"});
    print(table(rows));
  };
}

struct Update {
  std::vector<std::string> names;
  bool rollback = false;
};

void update(const Update& o) {
  const services::PullOptions options;
  if (o.rollback) {
    if (o.names.empty()) fail(ErrorKind::usage, "--rollback takes the models to roll back");
    for (const std::string& name : o.names) {
      print(fmt::format("{} is at {}\n", name, services::roll_back(name, options.paths)));
    }
    return;
  }
  for (const services::Outdated& row : services::outdated(o.names, options)) {
    if (row.newest.empty()) {
      talk(row.name + ": is gone from the Hub, and stays as it is\n");
      continue;
    }
    const std::string commit = services::update(row.name, options, [&](const services::PullPlan& plan) {
      talk(plan_text(plan, false));
      fetch(plan, options, FetchTalk::lines);
    });
    print(fmt::format("{} is at {}\n", row.name, commit));
  }
}

Action declare_update(Options& options) {
  auto o = std::make_shared<Update>();
  options.words({"MODEL…"}, o->names, 0, std::string::npos);
  options.flag("--rollback", o->rollback, "back to what was current before the last update");
  return [o] { update(*o); };
}

}  // namespace

extern constexpr Verb outdated_verb{"outdated", Group::get_and_keep,
                                    "models of which the Hub has a newer revision", outdated_examples,
                                    declare_outdated};
extern constexpr Verb update_verb{"update", Group::get_and_keep,
                                  "fetch newer revisions beside the old ones, or go back", update_examples,
                                  declare_update};

}  // namespace pome::cli
