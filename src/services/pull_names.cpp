#include "services/pull_names.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "hub/names.h"
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

}  // namespace

std::vector<PullRequest> pull_requests(const std::string& word, const NameChoice& choice,
                                       const PullRequest& common, const store::Paths& paths) {
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
    const store::Catalogue catalogue = store::Catalogue::load(paths);
    if (const store::KnownModel* model = catalogue.find(request.id))
      return {request_for(*model, choice, request)};
    throw error(ErrorKind::not_found, "{}: not in the catalogue, so its repository with {} bits is not known",
                request.id, choice.bits)
        .with_hint(fmt::format("pome search {} --bits {}", name->name, choice.bits));
  }
  const store::Catalogue catalogue = store::Catalogue::load(paths);
  const std::vector<const store::KnownModel*> models = catalogue.preset(word);
  if (models.empty()) {
    Error unknown = error(ErrorKind::not_found,
                          "\"{}\" is no model that is known: expected org/name, or a name of "
                          "the catalogue",
                          word);
    const std::vector<std::string> near = catalogue.corrections(word);
    throw unknown.with_hint(near.empty() ? fmt::format("pome search {}", shell_word(word))
                                         : fmt::format("did you mean {}?", fmt::join(near, ", ")));
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
