// pome.lock: which commits of which models a project uses, with the digest of every file, so that others get
// the same bytes. JSON: {"version": 1, "models": [{"model", "revision", "commit", "include", "exclude",
// "files": [{"name", "size_bytes", "digest"}]}]}, sorted by model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/pull.h"

namespace pome::services {

struct LockedModel {
  struct File {
    std::string name;
    std::uint64_t size_bytes = 0;
    std::string digest;  // SHA-256, or git's SHA-1 of a small file
  };
  std::string model;     // "org/name"
  std::string revision;  // what was asked for; empty: main
  std::string commit;
  FileChoice files_asked;
  std::vector<File> files;
};

// Not thread-safe.
class LockFile {
 public:
  // Throws Error(corrupt) with the subject first.
  static LockFile parse(std::string_view json, std::string_view subject);
  // An absent file holds no models. Throws as parse and read_file do.
  static LockFile load(const fs::path& file);
  void save(const fs::path& file) const;  // whole or not at all

  const std::vector<LockedModel>& models() const { return models_; }
  const LockedModel* find(std::string_view model) const;

  // Adds what `plan` fetched, in place of an earlier entry of that model. A plan made without the Hub lists
  // no files: Error(network).
  void put(const PullPlan& plan);

 private:
  std::vector<LockedModel> models_;
};

// What pulls that commit again. `common` gives the place.
PullRequest locked_request(const LockedModel& model, const PullRequest& common);

// Throws Error(corrupt) unless the Hub still lists the locked files with the locked digests.
void check_locked(const PullPlan& plan, const LockedModel& model);

}  // namespace pome::services
