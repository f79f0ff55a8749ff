// `pome pull`: what a model's download will do, and doing it.
#pragma once

#include <filesystem>
#include <memory>

#include "hub/hub.h"
#include "services/pull_files.h"
#include "store/paths.h"

namespace pome::services {

struct PullRequest {
  std::string id;        // "org/name"
  std::string revision;  // empty: main
  FileChoice files;
  fs::path local_dir;  // empty: the Hugging Face cache
  bool force = false;  // even where the disk seems too small
  bool check = false;  // read what is there too, and replace what is damaged
};

struct PlannedFile {
  hub::RepoFile file;
  std::uint64_t needed_bytes = 0;  // still to be fetched
  bool present = false;            // in its place already
};

struct PullPlan {
  PullRequest request;
  std::string commit;
  std::string renamed_to;  // not empty: what the Hub calls the model now
  fs::path folder;         // where the files will be: the snapshot, or local_dir
  std::vector<PlannedFile> files;
  bool all_files = false;  // of the commit
  std::uint64_t total_bytes = 0, needed_bytes = 0, weight_bytes = 0;
  std::uint64_t free_bytes = 0;    // of the disk
  std::uint64_t memory_bytes = 0;  // that is available now
  // What the model will take of it with a short conversation, as far as it is known before it is here:
  // without the cache of models that the catalogue does not know. 0: there are no weights.
  std::uint64_t memory_needed_bytes = 0;

  bool fits_disk() const { return needed_bytes + needed_bytes / 100 <= free_bytes; }
  bool fits_memory() const { return memory_needed_bytes <= memory_bytes; }
  Json to_json() const;
};

// Told on the thread that called pull().
class PullWatcher {
 public:
  virtual ~PullWatcher() = default;
  struct State {
    std::uint64_t good_bytes = 0, total_bytes = 0;  // of the files of the plan
    std::uint64_t received_bytes = 0;               // over the network
    std::size_t done_files = 0, total_files = 0;
  };
  virtual void on_progress(const State&) {}    // ten times a second
  virtual void on_file(const PlannedFile&) {}  // is complete and verified
  virtual void on_note(const std::string&) {}  // retries, waiting for another process
};

struct PullOptions {
  hub::Options hub = hub::Options::from_environment();
  store::Paths paths = store::Paths::from_environment();
  int max_workers = 8;  // files at once
  int connections = 8;  // at once
};

// Asks the Hub, writes nothing. Without network, or offline, a model that is here is its own plan with
// nothing to do; otherwise throws what hub::Hub throws, and what choose_files throws.
PullPlan plan_pull(const PullRequest& request, const PullOptions& options);

// Does it and returns plan.folder: every file there, complete and verified by its digest; in the cache the
// revision's ref is moved last. Two processes may pull the same. Throws Error: resource before anything is
// fetched (disk, unless force), else what hub::Downloader throws; what has arrived is kept for the next time.
fs::path pull(const PullPlan& plan, const PullOptions& options, PullWatcher& watcher);

}  // namespace pome::services
