#include "base/units.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/local_models.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome list", "every model that is here"},
    {"pome list --task embed --json", "one object per line"},
    {"pome list --missing inventory.md", "what a document names and is not here"},
    {"pome list --missing catalogue", "what pome knows by name and is not here"},
};

struct List {
  std::string task, family;
  std::optional<std::string> wanted;
  bool json = false;
};

// "today", "3 days ago", "2 years ago"
std::string age_text(store::Time time) {
  if (time == store::Time{}) return "never";
  const auto days =
      std::chrono::duration_cast<std::chrono::hours>(std::chrono::system_clock::now() - time).count() / 24;
  const auto ago = [](long count, std::string_view unit) {
    return fmt::format("{} {}{} ago", count, unit, count == 1 ? "" : "s");
  };
  if (days < 1) return "today";
  if (days < 14) return ago(days, "day");
  if (days < 60) return ago(days / 7, "week");
  if (days < 730) return ago(days / 30, "month");
  return ago(days / 365, "year");
}

std::string state_text(const services::LocalModel& model) {
  std::string text;
  const auto add = [&](std::string_view word) { text += (text.empty() ? "" : ", ") + std::string(word); };
  if (!model.complete()) add(fmt::format("incomplete: {} missing", model.summary.missing.front()));
  if (model.in_use) add("in use");
  if (model.detached && model.source == "cache") add("detached");
  if (model.revisions > 1) add(fmt::format("{} revisions", model.revisions));
  if (model.source != "cache") add(model.source);
  return text;
}

std::string bits_text(const services::LocalModel& model) {
  const store::Summary& s = model.summary;
  return s.bits == 0 ? "-" : s.quantization.empty() ? s.precision : s.quantization;
}

void print_models(const List& list) {
  std::vector<std::vector<std::string>> rows;
  for (const services::LocalModel& model : services::local_models(store::Paths::from_environment())) {
    if (!list.task.empty() && model.summary.task != list.task) continue;
    if (!list.family.empty() && model.summary.family != list.family) continue;
    if (list.json) {
      print_json(model.to_json());
      continue;
    }
    const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
    rows.push_back({model.name, or_dash(model.summary.task), or_dash(model.summary.family), bits_text(model),
                    size_text(model.bytes), age_text(model.used), state_text(model)});
  }
  if (!rows.empty()) rows.insert(rows.begin(), {"model", "task", "family", "bits", "size", "last used", ""});
  print(table(rows));
}

void print_missing(const List& list) {
  std::size_t present = 0;
  const store::Paths paths = store::Paths::from_environment();
  const auto wanted = services::compare_with_wanted(services::local_models(paths), *list.wanted, paths);
  if (wanted.empty()) {
    fail(ErrorKind::usage, "{}: names no model (expected org/name on a line of its own or in backticks)",
         *list.wanted);
  }
  for (const services::WantedModel& row : wanted) {
    present += row.present ? 1 : 0;
    if (list.json) {
      print_json(
          {{"name", row.name}, {"present", row.present}, {"state", row.present ? "complete" : row.state}});
    } else if (!row.present) {
      print(row.name + "\n");
    }
  }
  if (!list.json) talk(fmt::format("{} of {} are here\n", present, wanted.size()));
}

Action declare(Options& options) {
  auto list = std::make_shared<List>();
  options.option("--task", list->task, "TASK", "only these: chat, generate, embed, rerank, image, music, …");
  options.option("--family", list->family, "FAMILY", "only these: llama, qwen3, …");
  options.option("--missing", list->wanted, "FILE",
                 "names of models that FILE (a list, Markdown, JSON, …) wants and that are not here; "
                 "\"catalogue\": that pome knows");
  options.flag("--json", list->json, "one object per line");
  return [list] { list->wanted ? print_missing(*list) : print_models(*list); };
}

}  // namespace

extern constexpr Verb list_verb{"list", Group::get_and_keep, "the models that are here", examples, declare};

}  // namespace pome::cli
