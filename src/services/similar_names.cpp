#include "services/similar_names.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/letters.h"
#include "hub/names.h"
#include "services/search.h"
#include "store/catalogue.h"
#include "store/hf_cache.h"
#include "store/name_likeness.h"

namespace pome::services {
namespace {

constexpr double least_likeness = 0.5;

std::string_view account(std::string_view name) {
  const auto slash = name.find('/');
  return slash == std::string_view::npos ? "" : name.substr(0, slash);
}

std::vector<std::string> cached_names(const store::Paths& paths) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator it(paths.hf_cache, failed), end; !failed && it != end; it.increment(failed)) {
    if (auto id = store::repo_id(it->path().filename().string())) names.push_back(std::move(*id));
  }
  return names;
}

// From the whole name to its first word: the Hub looks for words inside names.
std::vector<std::string> queries_for(std::string_view wrong) {
  std::string_view name = wrong.substr(std::min(wrong.find('/') + 1, wrong.size()));
  std::vector<std::string> queries;
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < name.size(); ++i) {
    if (name[i] == '-' || name[i] == '_') cuts.push_back(i);
  }
  cuts.push_back(name.size());
  for (const std::size_t words : {std::size_t{3}, std::size_t{2}, std::size_t{1}}) {
    if (words > cuts.size()) continue;
    std::string query(name.substr(0, cuts[words - 1]));
    std::replace_if(query.begin(), query.end(), [](char c) { return c == '-' || c == '_'; }, ' ');
    queries.push_back(std::move(query));
  }
  return queries;
}

bool exists(hub::Hub& hub, const std::string& name) {
  try {
    hub.model(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

class Ranking {
 public:
  explicit Ranking(std::string_view wrong) : wrong_(wrong) {}

  // `bonus` settles ties, and lifts what somebody wrote down over what merely looks alike.
  void add(const std::string& name, double bonus) {
    if (same_letters(name, wrong_)) return;
    double likeness = store::name_likeness(wrong_, name);
    if (likeness < least_likeness && bonus < 1) return;
    if (same_letters(account(name), account(wrong_))) likeness += 0.1;
    const auto known =
        std::find_if(rows_.begin(), rows_.end(), [&](const auto& row) { return row.second == name; });
    if (known == rows_.end()) rows_.emplace_back(likeness + bonus, name);
  }

  std::vector<std::string> best() {
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<std::string> names;
    for (auto& row : rows_) names.push_back(row.second);
    return names;
  }

 private:
  std::string_view wrong_;
  std::vector<std::pair<double, std::string>> rows_;
};

}  // namespace

std::vector<std::string> similar_names(std::string_view wrong, const store::Paths& paths, hub::Hub* hub,
                                       std::size_t most) {
  Ranking ranking(wrong);
  std::vector<std::string> sure;  // that are here, or that the hub named
  for (const std::string& name : cached_names(paths)) {
    ranking.add(name, 0.02);
    sure.push_back(name);
  }
  try {
    for (const std::string& name : store::Catalogue::load(paths).corrections(wrong, 5)) ranking.add(name, 1);
  } catch (const Error&) {  // no table, no names of it
  }
  bool asks = hub != nullptr && !hub->options().offline;
  if (asks) {
    for (const std::string& query : queries_for(wrong)) {
      try {
        const auto found = search({.words = query, .limit = 50}, *hub, paths);
        for (const FoundModel& model : found) {
          ranking.add(model.name, model.runs ? 0.01 : 0);
          sure.push_back(model.name);
        }
        if (!found.empty()) break;
      } catch (const Error& error) {
        asks = error.kind() != ErrorKind::network;
        break;
      }
    }
  }
  std::vector<std::string> names;
  for (std::string& name : ranking.best()) {
    if (names.size() == most) break;
    const bool known = !asks || std::find(sure.begin(), sure.end(), name) != sure.end() || exists(*hub, name);
    if (known) names.push_back(std::move(name));
  }
  return names;
}

Error explain_missing(const Error& told, std::string_view word, const store::Paths& paths, hub::Hub& hub) {
  if (told.kind() != ErrorKind::not_found) return told;
  const bool is_repo = hub::parse_repo_name(word).has_value();
  Error explained =
      hub.options().offline && is_repo
          ? error(ErrorKind::not_found, "{}: not in the Hugging Face cache ({}), and pome is offline", word,
                  paths.hf_cache.string())
          : told;
  // Of a model that is none, not of a revision or a file.
  const bool no_model = hub.options().offline || !is_repo || told.hint().starts_with("pome search");
  const std::string meant = no_model ? did_you_mean(similar_names(word, paths, &hub)) : "";
  if (!meant.empty()) explained.with_hint(meant);
  return explained;
}

Error explain_absent(Error absent, const std::string& id, const store::Paths& paths, hub::Hub& hub) {
  const std::string pull = "pome pull " + id;
  bool answers = true;
  try {
    hub.model(id);
    return std::move(absent).with_hint(pull);
  } catch (const Error& told) {
    if (told.kind() == ErrorKind::refused) return std::move(absent).with_hint(pull);  // gated
    answers = told.kind() != ErrorKind::network;
    if (!told.hint().empty()) absent.with_hint(told.hint());
  }
  const std::string meant = did_you_mean(similar_names(id, paths, answers ? &hub : nullptr));
  if (!meant.empty()) absent.with_hint(meant);
  return absent;
}

std::string did_you_mean(const std::vector<std::string>& names) {
  return names.empty() ? "" : fmt::format("did you mean {}?", fmt::join(names, ", "));
}

}  // namespace pome::services
