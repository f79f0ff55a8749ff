// A manifest per model: where it comes from, how it is stored, what it takes, derived from its files. For
// tools that decide without looking into large folders. Format: docs/manifest.schema.json.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "store/paths.h"

namespace pome::services {

struct ManifestOptions {
  // Whose models: a folder of model folders (store/model_tree.h), with its manifests in root/manifests.
  // Empty: pome's own, the cache and imported folders, in the data folder.
  fs::path root = {};
  std::vector<std::string> models = {};  // none: all that are registered
  bool fast = false;                     // files are not looked at: storage as it was
  bool include_unregistered = false;     // also models of root that registry.json does not know yet
  bool dry_run = false;                  // nothing is written
  std::string notes = {};                // for every model of this sync; empty: as they were
  // "key=value" that holds against what the files say, now and later: source_id=org/name, tags=a,b,
  // adapter.fused_from=…; an empty value takes an override back.
  std::vector<std::string> overrides = {};
};

struct SyncedManifest {
  std::string model;
  fs::path file;
  std::string change;  // "new", "updated", "unchanged"
  Json manifest;
};

// Writes what has changed, and registry.json beside. Fields that pome does not know survive in both. Throws
// Error: not_found (a model of options.models that nobody knows), usage (an override of what is measured),
// corrupt (a manifest that is no JSON object), and as write_file_atomic does.
std::vector<SyncedManifest> sync_manifests(const ManifestOptions& options, const store::Paths& paths);

}  // namespace pome::services
