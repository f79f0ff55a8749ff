// Who uses which model: a file per process and model in `$XDG_STATE_HOME/pome/leases/`, so that nothing is
// deleted under a running program. Format: docs/design/leases.md.
//
// A lease counts while its file is locked (flock). The lock goes with the process, however it ends, so a dead
// process protects nothing and its number may be given to another.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_lock.h"
#include "store/cache_scan.h"
#include "store/paths.h"

namespace pome::store {

struct LeaseInfo {
  int process = 0;
  std::string program;  // "pome run"
  std::string model;    // as it was asked for
  fs::path folder;      // without links
  Time since{};
};

// Held as long as a model is open. Not copyable; thread-safe to destroy.
class Lease {
 public:
  // Notes that this process uses the model in `folder`, now and as the model's last use. Nothing where the
  // state folder cannot be written: a model must open on a read-only system too.
  static std::shared_ptr<const Lease> acquire(const Paths& paths, const std::string& model,
                                              const fs::path& folder);

  Lease(FileLock lock, fs::path file) : lock_(std::move(lock)), file_(std::move(file)) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

 private:
  FileLock lock_;
  fs::path file_;
};

// Throws Error(corrupt).
LeaseInfo parse_lease(std::string_view json, std::string_view subject);

// Every model in use now, this process's own included. Files of processes that are gone are removed.
std::vector<LeaseInfo> leases_in_use(const Paths& paths);

// Held while models are deleted: no lease begins meanwhile, so that what was free stays free. Nothing where
// another process holds it.
std::optional<FileLock> block_leases(const Paths& paths);

// When pome last opened the model in this folder; the epoch where it never did.
Time last_opened(const Paths& paths, const fs::path& folder);

}  // namespace pome::store
