// What can go, what that frees, and its going. Nothing is deleted that a running pome uses or that is being
// downloaded; everything is looked at again when it is applied.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "services/local_models.h"
#include "store/removal.h"

namespace pome::services {

struct CleanOptions {
  // Whose models: a folder of model folders, which are deleted there. Empty: the cache and pome's own copies.
  fs::path root = {};

  // Models, those that fit all that is asked for. None asked for: no models.
  std::vector<std::string> tags = {};  // of the card, the task, the family, words of the name; all of them
  std::string quantization = {};       // "4bit", "mxfp4", "bf16", "none"
  bool fused_only = false;             // with an adapter merged in
  std::optional<std::chrono::seconds> older_than = {};  // changed last before that; counts for strays too
  std::optional<std::chrono::seconds> unused = {};      // used last before that

  bool missing_only = false;  // names and manifests whose model is gone
  bool revisions = false;     // that no branch or tag leads to
  bool partials = false;      // of interrupted downloads
  bool orphans = false;       // blobs that no snapshot links, and what killed deletes left

  bool chooses_models() const {
    return !tags.empty() || !quantization.empty() || fused_only || unused ||
           (older_than && !chooses_strays());
  }
  bool chooses_strays() const { return revisions || partials || orphans || missing_only; }
};

struct CleanItem {
  enum class Kind : std::uint8_t {
    repo,
    revision,
    partial,
    orphan,
    folder,
    name,
    manifest
  } kind = Kind::repo;
  std::string name;         // "org/name", "org/name@1234567", a file
  std::string reason;       // "detached revision", "interrupted download"
  fs::path path;            // what goes; the repository of a revision
  std::string commit = {};  // revision
  std::uint64_t bytes = 0;  // that it frees alone
  std::string kept = {};    // why it stays; empty: it goes

  Json to_json() const;
};

struct CleanPlan {
  std::vector<CleanItem> items;
  std::uint64_t bytes = 0;  // that all that goes frees together
};

// What MODELs stand for: "org/name" all of a repository, "org/name@revision" one revision, an imported name
// only the name, unless pome made the copy or delete_files says so. Throws Error: not_found with the nearest
// name, usage (an alias, the demo, a folder), refused where a running pome uses it.
CleanPlan plan_removal(const std::vector<std::string>& models, bool delete_files, const store::Paths& paths);

CleanPlan plan_clean(const CleanOptions& options, const store::Paths& paths);

// Does again what made the plan and deletes what both agree on. `done` hears of every item. Returns the bytes
// freed. Throws Error(refused) where another pome is deleting.
std::uint64_t apply(const CleanPlan& plan, const std::function<CleanPlan()>& plan_again,
                    const store::Paths& paths, const std::function<void(const CleanItem&)>& done);

}  // namespace pome::services
