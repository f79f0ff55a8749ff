// Deleting from the Hugging Face cache so that it frees what it says, and so that whatever kills the process
// midway leaves a cache that every client reads, with the rest found again as orphans.
//
// A repository is moved out of sight at once (below .locks, which nobody scans) and then deleted. A revision
// loses its refs first, then its snapshot is moved at once to .pome/gone.<commit>, then go its listing and
// those blobs that no other snapshot links: so no ref leads to a snapshot that is not there, and no link to a
// blob that is not there. Shared content goes when no repository's blob leads to it any more.
// What a download holds the lock of is left alone.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "store/cache_scan.h"

namespace pome::store {

// Called with what comes next, before every change: for tests that end the process there.
using BeforeStep = std::function<void(std::string_view step)>;

// Whether somebody downloads into this repository now.
bool download_in_progress(const fs::path& cache, const fs::path& repo_folder);

// Each throws Error (refused, internal) at the first thing that cannot be deleted; what is gone stays gone.
// Whoever calls has made sure that no program uses the model (leases.h).
void remove_repo(const fs::path& cache, const fs::path& repo_folder, const BeforeStep& before = {});
void remove_revision(const fs::path& cache, const fs::path& repo_folder, const std::string& commit,
                     const BeforeStep& before = {});
// A partial or an orphan of a scan, what a delete left behind included.
void remove_stray(const fs::path& cache, const fs::path& path, const BeforeStep& before = {});
// A model's folder outside the cache: renamed at once, then deleted.
void remove_model_folder(const fs::path& folder, const BeforeStep& before = {});

// What deleting several things together frees: a file with several names or links counts if all of them go.
class RemovalSize {
 public:
  explicit RemovalSize(const CacheScan& scan) : scan_(scan) {}

  void add_repo(const ScannedRepo& repo);
  void add_revision(const ScannedRepo& repo, const ScannedRevision& revision);
  void add_path(const fs::path& path);  // a stray file, or a folder

  std::uint64_t bytes() const;

 private:
  const CacheScan& scan_;
  std::set<fs::path> trees_;  // folders and files that go as a whole
  std::map<const ScannedRepo*, std::set<std::string>> revisions_;
};

}  // namespace pome::store
