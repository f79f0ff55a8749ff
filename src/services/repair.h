// What verify found damaged, fetched again.
#pragma once

#include "services/pull.h"
#include "services/verify.h"

namespace pome::services {

// A pull of the damaged files of one model of the cache at its own commit; other files stay as they are. Of
// large files that pome fetched, only the stretches that went bad are fetched. Throws as plan_pull does;
// unsupported for a folder that did not come from the Hub.
PullPlan plan_repair(const Verified& found, const PullOptions& options);

}  // namespace pome::services
