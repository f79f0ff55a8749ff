// From the word a user writes for a model to the folder that holds it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/aliases.h"
#include "store/paths.h"

namespace pome::store {

// Where a model lies.
struct Place {
  enum class Kind { demo, folder, hub } kind = Kind::folder;
  std::string name;            // how to call it again: "demo", the folder, "org/name"
  fs::path folder;             // holds config.json
  std::string file = {};       // locate() only: the one file of `folder` that was named
  std::string commit;          // hub: 40 hex digits
  std::optional<Alias> alias;  // the alias by which it was found
};

// MODEL is, in this order: `demo`, an alias, an existing folder, an imported one (store/folders.h),
// `org/name[@revision]` in the Hugging Face cache (a revision is a branch, a tag or a commit, by its first 7
// digits or more). Reads names and links only, no network.
//
// Throws Error: not_found (with the nearest names there are), corrupt (an incomplete snapshot, naming the
// files that are missing), unsupported (GGUF, PyTorch, NumPy or single safetensors files; the hint is the
// convert command).
Place resolve(std::string_view model, const Paths& paths);

// The same without a look at what is in it: whatever format it has, complete or not, and also a single file
// with a model's ending. Throws Error(not_found) where nothing is there.
Place locate(std::string_view model, const Paths& paths);

// Whether the first word of `pome run` names a model: `demo`, an alias, an existing or imported folder, a
// file with a model's ending, or the shape of a name (org/name) or of a path (./name, or a file that is
// there).
bool names_a_model(std::string_view word, const Paths& paths);

// Every model that resolve() would find by a name: `demo`, aliases, imported folders, complete main snapshots
// of the cache.
// Sorted.
std::vector<std::string> local_names(const Paths& paths);

}  // namespace pome::store
