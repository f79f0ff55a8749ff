#include "services/pull_names.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "hub/names.h"
#include "services/search.h"
#include "services/similar_names.h"
#include "store/catalogue.h"

namespace pome::services {
namespace {

PullRequest request_for(const store::KnownModel& model, const NameChoice& choice, PullRequest request) {
  std::vector<std::string> others;
  for (const store::KnownRepo& repo : model.repos) {
    others.push_back(fmt::format("{} ({} bit)", repo.repo, repo.bits));
    if (choice.bits != 0 && repo.bits != choice.bits) continue;
    request.id = repo.repo;
    if (request.files.include.empty()) request.files.include = repo.include;
    return request;
  }
  throw error(ErrorKind::not_found, "{}: known with other bits than {} only", model.name, choice.bits)
      .with_hint(fmt::format("there is {}", fmt::join(others, ", ")));
}

// The repository made from the same model that has these bits: the Hub knows what was made from what, and
// the most downloaded comes first.
std::string on_hub(const std::string& id, int bits, const PullOptions& options) {
  hub::Hub hub(options.hub);
  std::vector<std::string> bases{id};
  Json info;
  try {
    info = hub.model(id).raw;
  } catch (const Error& told) {
    throw explain_missing(told, id, options.paths, hub);
  }
  const std::vector<FoundModel> own = parse_found(Json::array({info}), id);
  if (!own.empty()) {
    if (own.front().bits == bits) return id;
    bases.insert(bases.end(), own.front().base_models.begin(), own.front().base_models.end());
  }
  std::vector<std::string> others;
  for (const std::string& base : bases) {
    for (const FoundModel& model : search({.base = base, .limit = 100}, hub, options.paths)) {
      if (model.bits == bits && model.runs) return model.name;
      if (model.bits != 0) others.push_back(fmt::format("{} ({} bit)", model.name, model.bits));
    }
  }
  throw error(ErrorKind::not_found, "{}: the Hub has no repository of it with {} bits in MLX format", id,
              bits)
      .with_hint(others.empty()
                     ? fmt::format("pome search {} --bits {}", id.substr(id.find('/') + 1), bits)
                     : fmt::format("there is {}",
                                   fmt::join(others.begin(),
                                             others.begin() + static_cast<std::ptrdiff_t>(
                                                                  std::min<std::size_t>(3, others.size())),
                                             ", ")));
}

}  // namespace

std::vector<PullRequest> pull_requests(const std::string& word, const NameChoice& choice,
                                       const PullRequest& common, const PullOptions& options) {
  PullRequest request = common;
  if (const auto name = hub::parse_repo_name(word)) {
    if (!name->revision.empty()) {
      if (!common.revision.empty() && name->revision != common.revision) {
        fail(ErrorKind::usage, "{}: asks for another revision than --revision {}", word, common.revision);
      }
      request.revision = name->revision;
    }
    request.id = name->id();
    if (choice.bits == 0) return {request};
    const store::Catalogue catalogue = store::Catalogue::load(options.paths);
    if (const store::KnownModel* model = catalogue.find(request.id))
      return {request_for(*model, choice, request)};
    request.id = on_hub(request.id, choice.bits, options);
    return {request};
  }
  const store::Catalogue catalogue = store::Catalogue::load(options.paths);
  const std::vector<const store::KnownModel*> models = catalogue.preset(word);
  if (models.empty()) {
    Error unknown = error(ErrorKind::not_found,
                          "\"{}\" is no model that is known: expected org/name, or a name of "
                          "the catalogue",
                          word);
    hub::Hub hub(options.hub);
    const std::string meant = did_you_mean(similar_names(word, options.paths, &hub));
    throw unknown.with_hint(meant.empty() ? fmt::format("pome search {}", shell_word(word)) : meant);
  }
  if (models.size() > 1 && !choice.all) {
    std::vector<std::string> names;
    for (const store::KnownModel* model : models) names.push_back(model->name);
    throw error(ErrorKind::usage, "\"{}\" stands for {} models: {}", word, models.size(),
                fmt::join(names, ", "))
        .with_hint(fmt::format("pome pull {}, or pome pull {} --all", names.front(), word));
  }
  std::vector<PullRequest> requests;
  for (const store::KnownModel* model : models) requests.push_back(request_for(*model, choice, request));
  return requests;
}

}  // namespace pome::services
