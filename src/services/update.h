// Newer revisions of the models that are here: the new one beside the old, the ref moved when it is complete.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/pull.h"

namespace pome::services {

struct Outdated {
  std::string name;    // org/name
  std::string here;    // commit that main leads to on this machine
  std::string newest;  // on the Hub; empty where it has no such model any more
};

// The models of the cache, or those of `names` only, whose main is another commit on the Hub. Throws as
// hub::Hub does; not_found for a name that is not here.
std::vector<Outdated> outdated(const std::vector<std::string>& names, const PullOptions& options);

// Fetches the Hub's main of a model that is here; the old snapshot stays and is what roll_back() returns to.
// `fetch` does the plan (pull(), with whatever talk). Returns the commit that is current afterwards.
std::string update(const std::string& name, const PullOptions& options,
                   const std::function<void(const PullPlan&)>& fetch);

// Back to what was current before the last update(), which becomes the one to return to. Asks nobody.
// Returns the commit. Throws Error(not_found) where there was none, or its snapshot is gone.
std::string roll_back(const std::string& name, const store::Paths& paths);

}  // namespace pome::services
