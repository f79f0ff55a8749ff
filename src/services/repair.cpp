#include "services/repair.h"

#include "base/error.h"

namespace pome::services {

PullPlan plan_repair(const Verified& found, const PullOptions& options) {
  if (found.commit.empty()) {
    throw error(ErrorKind::unsupported,
                "{}: a folder of its own, of which the Hub knows nothing; nothing was changed", found.name)
        .with_hint("copy the damaged files from where they came");
  }
  PullRequest request;
  request.id = found.name.substr(0, found.name.find('@'));
  request.revision = found.commit;
  request.files.names = found.damaged;
  request.check = true;
  return plan_pull(request, options);
}

}  // namespace pome::services
