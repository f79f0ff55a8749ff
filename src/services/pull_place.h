// Where pulled files go: the Hugging Face cache, or a folder of their own. One interface, so that pull() is
// the same for both.
#pragma once

#include <memory>
#include <optional>

#include "hub/download.h"
#include "services/pull.h"
#include "store/hf_cache.h"

namespace pome::services {

// Thread-safe for different files.
class PullPlace {
 public:
  virtual ~PullPlace() = default;

  virtual fs::path folder() const = 0;      // where the files will be
  virtual fs::path unfinished() const = 0;  // of partial files
  virtual void create() const = 0;

  // Where the file is in its place, by name, size and what is noted about it; nothing is read.
  virtual bool is_present(const hub::RepoFile& file) const = 0;
  // Nothing while another process fetches the same.
  virtual std::optional<FileLock> try_lock(const hub::RepoFile& file) const = 0;
  // Content of this digest that is here under another name, checked by reading it and then used. False: it
  // has to be fetched, to target().
  virtual bool reuse(const hub::RepoFile& file, const std::function<bool()>& cancelled) const = 0;
  virtual fs::path target(const hub::RepoFile& file) const = 0;
  virtual void fetched(const hub::RepoFile& file) const = 0;  // target() has it, verified
  virtual void finish(const PullPlan& plan) const = 0;        // every file is there
};

// all: every file of the commit, for trees/.
std::unique_ptr<PullPlace> cache_place(const fs::path& cache, const PullRequest& request,
                                       const std::string& commit);
std::unique_ptr<PullPlace> folder_place(const PullRequest& request, const std::string& commit);

}  // namespace pome::services
