// Models that somebody put somewhere get a name, where they are or as a copy.
#pragma once

#include <string>
#include <vector>

#include "store/model_tree.h"
#include "store/paths.h"

namespace pome::services {

struct ImportOptions {
  std::string
      source;  // a model's folder, a folder of model folders (store/model_tree.h), or a name with `into`
  std::string name;                                             // "org/name" or a word; empty: of the folder
  enum class How { in_place, copy, link } how = How::in_place;  // link: hard links, for one file system
  fs::path into = {};   // copy and link: a tree with markers to put it into; empty: pome's own data folder
  bool repair = false;  // of a tree: write missing markers, remove stale ones
};

struct Imported {
  std::string name;
  fs::path folder;
  std::string how;  // "in place", "copied", "linked"
};

struct ImportReport {
  std::vector<Imported> models;
  bool is_tree = false;
  std::vector<std::string> unmarked;    // models of a tree without a marker, before a repair
  std::vector<fs::path> stale_markers;  // before a repair
  bool repaired = false;
};

// A copy appears under its name when it is whole; one that was interrupted is begun anew. Files are read
// through links, so that a snapshot of the cache becomes a folder of its own. Throws Error: not_found (no
// model there), usage (the name), refused (something else has the place; links between file systems),
// resource (disk full).
ImportReport import_models(const ImportOptions& options, const store::Paths& paths);

}  // namespace pome::services
