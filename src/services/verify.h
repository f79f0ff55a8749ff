// Whether what is on disk is what was published: digests against the names of blobs and the listings in
// trees/, and how the files fit together (check_model.h). Offline.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "services/check_model.h"
#include "store/cache_scan.h"
#include "store/paths.h"

namespace pome::services {

struct VerifyOptions {
  bool digests = true;  // read and hash everything; else only sizes and how files fit together
  // Hears of bytes hashed, from several threads.
  std::function<void(std::uint64_t)> progress = {};
};

struct Verified {
  std::string name;    // "org/name", with @commit where it is not what main leads to
  std::string commit;  // cache only
  fs::path folder;
  std::size_t files = 0;
  std::size_t files_hashed = 0;  // with a digest to compare with
  std::uint64_t bytes_hashed = 0;
  std::vector<Finding> findings;
  std::vector<std::string> damaged;  // files whose content is wrong or missing: what a repair fetches

  bool ok() const;  // no finding is an error
  Json to_json() const;
};

// One model as store::resolve takes it; an incomplete snapshot is no reason to refuse. Throws Error:
// not_found, usage.
Verified verify(const std::string& model, const VerifyOptions& options, const store::Paths& paths);

// Every revision of every model in the cache, and imported folders. `each` hears of every model when it is
// done. A blob of several revisions is hashed once.
void verify_all(const VerifyOptions& options, const store::Paths& paths,
                const std::function<void(const Verified&)>& each);

}  // namespace pome::services
