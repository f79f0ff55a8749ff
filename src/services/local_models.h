// The models that are here: what `list` prints and what `clean` and `manifest` choose from. Read anew every
// time.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "store/cache_scan.h"
#include "store/paths.h"
#include "store/summary.h"

namespace pome::services {

struct LocalModel {
  std::string name;    // what other verbs take
  std::string source;  // "cache", "folder", "tree", "demo"
  fs::path folder;     // of the snapshot
  std::string commit;  // cache only
  std::vector<std::string> refs;
  std::size_t revisions = 0;  // cache only: how many there are
  store::Summary summary;     // of `folder`
  std::uint64_t bytes = 0;    // on disk: all revisions, each blob once
  store::Time used{};         // opened by pome, or its weights read by anybody; the epoch: not known
  store::Time modified{};
  bool in_use = false;    // by a pome that runs now
  bool detached = false;  // cache: no branch or tag leads here

  bool complete() const { return summary.missing.empty(); }
  Json to_json() const;
};

// Sorted by name. A repository of the cache is one row: its main branch, else what was changed last. Throws
// as store::scan_cache and the readers of pome's own files do.
std::vector<LocalModel> local_models(const store::Paths& paths);

// Of the same, from a scan that is there already; only models of the cache.
std::vector<LocalModel> cached_models(const store::CacheScan& scan);

// One folder as a model of this name.
LocalModel folder_model(const std::string& name, const fs::path& folder);

struct WantedModel {
  std::string name;
  bool present = false;
  std::string state;  // "missing", "incomplete", or empty
};

// `wanted` is a file, any text that names repositories (store/wanted.h), or "catalogue": every model that
// pome knows by name, present where any of its repositories is. Throws Error(not_found, resource, corrupt).
std::vector<WantedModel> compare_with_wanted(const std::vector<LocalModel>& models, const std::string& wanted,
                                             const store::Paths& paths);

// "2026-11-21T04:43:00Z"; empty for the epoch.
std::string time_text(store::Time time);

}  // namespace pome::services
