// Everything that lies in a Hugging Face cache, read anew every time: what `list` shows, `verify` checks and
// `clean` counts. Names and sizes only; no content is read but refs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace pome::store {

using Time = std::chrono::system_clock::time_point;

struct ScannedFile {
  std::string name;         // below the snapshot: "text_encoder/model.safetensors"
  fs::path path;            // in the snapshot
  fs::path blob;            // where its link leads first, or whose second name it is; else the file itself
  bool present = false;     // content is there
  std::uint64_t bytes = 0;  // of the content
  Time used{}, modified{};  // of the content
};

struct ScannedRevision {
  std::string commit;
  fs::path folder;
  std::vector<std::string> refs;   // branches and tags that lead here; none: detached
  std::vector<ScannedFile> files;  // sorted by name

  std::uint64_t bytes() const;  // each blob once
  Time used() const;
  Time modified() const;
};

struct StrayFile {
  fs::path path;
  std::uint64_t bytes = 0;  // that it occupies
  Time modified{};
};

struct ScannedRepo {
  std::string id;    // "org/name"
  std::string type;  // "model", "dataset", "space"
  fs::path folder;
  std::vector<ScannedRevision> revisions;  // sorted by commit
  std::vector<StrayFile> partials;         // of interrupted downloads, pome's and huggingface_hub's
  std::vector<StrayFile> orphans;          // blobs that no snapshot leads to, and what killed deletes left
  std::vector<std::string> problems;       // what other clients stumble over, in words

  const ScannedRevision* at(std::string_view ref_or_commit) const;
  std::uint64_t bytes() const;  // of all revisions, each blob once
  Time used() const;
};

struct CacheScan {
  fs::path root;
  std::vector<ScannedRepo> repos;     // sorted by type and id
  std::vector<StrayFile> orphans;     // of the shared store, and deleted repositories not yet gone
  std::vector<std::string> problems;  // of the root

  const ScannedRepo* find(std::string_view id) const;  // a model
};

// A cache that is not there is an empty one. Throws Error(refused) where the root cannot be read; what is
// wrong further down becomes a problem.
CacheScan scan_cache(const fs::path& root);

// One repository's folder.
ScannedRepo scan_repo(const fs::path& folder);

// Where a repository is moved, at once, when it is deleted: below .locks, which no client scans.
bool is_deleted_repo(const fs::path& folder);
fs::path deleted_repo(const fs::path& cache, const fs::path& folder);

}  // namespace pome::store
