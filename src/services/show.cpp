#include "services/show.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/letters.h"
#include "hub/names.h"
#include "services/remote_model.h"
#include "services/search.h"
#include "services/similar_names.h"
#include "store/aliases.h"
#include "store/catalogue.h"

namespace pome::services {
namespace {

bool is_command(const std::string& hint) { return hint.starts_with("pome "); }

ModelFacts local_facts(const ShowRequest& request, const store::Place& place, const store::Paths& paths) {
  ModelFacts facts = inspect(local_source(place), request.context_tokens, request.cache);
  if (facts.runs.value_or(false) || is_command(facts.next)) return facts;
  facts.next.clear();
  try {
    store::resolve(request.model, paths);
  } catch (const Error& error) {  // what `run` would say
    if (is_command(error.hint())) facts.next = error.hint();
  }
  if (facts.next.empty()) facts.next = "pome doctor " + shell_word(request.model);
  return facts;
}

// A repository in MLX format made from the same model, the most downloaded that runs here.
std::string made_from_same(const ModelFacts& facts, const std::string& id, hub::Hub& hub,
                           const store::Paths& paths) {
  std::vector<std::string> bases{id};
  bases.insert(bases.end(), facts.base_models.begin(), facts.base_models.end());
  for (const std::string& base : bases) {
    if (!hub::parse_repo_name(base)) continue;
    try {
      for (const FoundModel& found : search({.base = base, .limit = 20}, hub, paths)) {
        if (found.runs && found.name != id) return found.name;
      }
    } catch (const Error&) {  // then there is none to name
      break;
    }
  }
  return "";
}

// What to look for instead: "Qwen3-8B" of Qwen/Qwen3-8B, or of somebody's Qwen3-8B-GGUF.
std::string words_for(const ModelFacts& facts, const hub::RepoName& name) {
  for (const std::string& base : facts.base_models) {
    if (const auto known = hub::parse_repo_name(base)) return known->name;
  }
  constexpr std::string_view mark = "-GGUF";
  const bool marked = name.name.size() > mark.size() &&
                      same_letters(std::string_view(name.name).substr(name.name.size() - mark.size()), mark);
  return marked ? name.name.substr(0, name.name.size() - mark.size()) : name.name;
}

ModelFacts remote_facts(const ShowRequest& request, const hub::RepoName& name, const PullOptions& options) {
  hub::Hub hub(options.hub);
  std::optional<RemoteModel> remote;
  try {
    remote.emplace(hub, name.id(), name.revision);
  } catch (const Error& error) {
    throw explain_missing(error, name.id(), options.paths, hub);
  }
  ModelFacts facts;
  try {
    facts = inspect(remote->source(), request.context_tokens, request.cache);
  } catch (const Error& error) {
    throw remote->renamed(error);
  }
  if (facts.runs.value_or(true) || !facts.adapter.empty() || facts.format == "diffusers") {
    facts.next = fmt::format("pome pull {}", facts.name);
  } else {
    const std::string other = made_from_same(facts, name.id(), hub, options.paths);
    facts.next = other.empty() ? "pome search " + words_for(facts, name) : "pome pull " + other;
  }
  return facts;
}

// What pull would fetch by this word.
std::optional<hub::RepoName> repo_name(const std::string& model, const PullOptions& options) {
  const auto alias = store::Aliases(options.paths).find(model);
  const std::string& word = alias ? alias->model : model;
  if (auto name = hub::parse_repo_name(word)) return name;
  const store::Catalogue catalogue = store::Catalogue::load(options.paths);
  const std::vector<const store::KnownModel*> models = catalogue.preset(word);
  if (models.size() > 1) {
    std::vector<std::string> names;
    for (const store::KnownModel* known : models) names.push_back(known->name);
    throw error(ErrorKind::usage, "\"{}\" stands for {} models: {}", word, names.size(),
                fmt::join(names, ", "))
        .with_hint("pome show " + names.front());
  }
  if (models.empty() || models.front()->repos.empty()) return std::nullopt;
  return hub::parse_repo_name(models.front()->repos.front().repo);
}

}  // namespace

ModelFacts show(const ShowRequest& request, const PullOptions& options) {
  std::optional<store::Place> place;
  try {
    place = store::locate(request.model, options.paths);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) throw;
    const auto name = repo_name(request.model, options);
    if (name) return remote_facts(request, *name, options);
    hub::Hub hub(options.hub);
    throw explain_missing(error, request.model, options.paths, hub);
  }
  return local_facts(request, *place, options.paths);
}

}  // namespace pome::services
