// `pome show`: the facts of a model, wherever it is.
#pragma once

#include <string>

#include "services/inspect.h"
#include "services/pull.h"

namespace pome::services {

struct ShowRequest {
  std::string model;
  int context_tokens = 0;  // as for inspect()
  graph::CacheOptions cache = {};
};

// MODEL as store::locate finds it; what is not here is looked at on the Hub (services/remote_model.h), also
// by a name of the catalogue. facts.next is set where there is something to do. Throws Error: as
// store::locate, inspect and plan_pull do.
ModelFacts show(const ShowRequest& request, const PullOptions& options);

}  // namespace pome::services
