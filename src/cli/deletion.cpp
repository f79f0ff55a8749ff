#include "cli/deletion.h"

#include <cstdio>
#include <iostream>

#include "base/units.h"
#include "cli/output.h"

namespace pome::cli {
namespace {

void print_plan(const services::CleanPlan& plan) {
  std::vector<std::vector<std::string>> rows;
  for (const services::CleanItem& item : plan.items) {
    const bool goes = item.kept.empty();
    rows.push_back({item.name, size_text(item.bytes), goes ? item.reason : "stays: " + item.kept});
  }
  print(table(rows));
}

bool confirmed() {
  talk("delete? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

void declare_deletion(Options& options, Deletion& deletion) {
  options.flag("--apply", deletion.apply, "deletes; without it what would go is only shown");
  options.flag("--yes,-y", deletion.yes, "with --apply: no question");
  options.flag("--json", deletion.json, "one object per line, then the sum");
}

void carry_out(const Deletion& deletion, const std::function<services::CleanPlan()>& make_plan,
               const store::Paths& paths) {
  const services::CleanPlan plan = make_plan();
  std::size_t going = 0;
  for (const services::CleanItem& item : plan.items) going += item.kept.empty() ? 1 : 0;
  if (deletion.json) {
    for (const services::CleanItem& item : plan.items) print_json(item.to_json());
  } else {
    print_plan(plan);
  }
  flush_output();  // before the question and the sum
  const auto stays =
      std::find_if(plan.items.begin(), plan.items.end(), [](const auto& item) { return !item.kept.empty(); });
  if (deletion.apply && deletion.named && stays != plan.items.end()) {
    fail(ErrorKind::refused, "{}: {}; nothing was deleted", stays->name, stays->kept);
  }
  std::uint64_t freed = 0;
  const bool apply = deletion.apply && going > 0;
  if (apply) {
    if (!deletion.yes && !(input_is_terminal() && talk_is_terminal())) {
      throw error(ErrorKind::usage, "--apply without a terminal to ask on; nothing was deleted")
          .with_hint("--apply --yes");
    }
    if (!deletion.yes && !confirmed()) fail(ErrorKind::interrupted, "nothing was deleted");
    freed = services::apply(plan, make_plan, paths, {});
  }
  if (deletion.json) {
    print_json({{"items", going}, {"bytes", apply ? freed : plan.bytes}, {"applied", apply}});
  } else if (apply) {
    talk(fmt::format("freed {}\n", size_text(freed)));
  } else if (plan.items.empty()) {
    talk("nothing to delete\n");
  } else if (going > 0) {
    talk(fmt::format("would free {}; --apply does it\n", size_text(plan.bytes)));
  }
}

}  // namespace pome::cli
