// A folder of model folders, as other programs keep them:
//
//   Models/models/<org>/<name>/     apps after the MLX Swift guide, with an empty file Models/<name> beside
//   it models/<org>/<name>/            LM Studio and others mlx-models/<name>/              projects with a
//   folder of their own
//
// The empty file is a marker: such an app shows a model only where there is one.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"

namespace pome::store {

struct TreeModel {
  std::string name;  // "org/name", or "name" where no organization is told
  fs::path folder;
  bool marked = false;
};

struct ModelTree {
  fs::path root;
  bool uses_markers = false;            // the models lie below root/models
  std::vector<TreeModel> models;        // sorted by name
  std::vector<fs::path> stale_markers;  // empty files that stand for no model
};

// Whether a folder holds a model itself: a config and weights, or weights of another format.
bool is_model_folder(const fs::path& folder);

// Looks two levels deep, below root/models where that is there. Hidden folders are passed over.
ModelTree scan_model_tree(const fs::path& root);

// Writes markers that are missing and removes stale ones. Throws as write_file_atomic does.
void repair_markers(const ModelTree& tree);

// Where a model lies in a tree with markers, and its marker. name: "org/name" or "name".
fs::path place_in_tree(const fs::path& root, const std::string& name);
fs::path marker_in_tree(const fs::path& root, const std::string& name);

}  // namespace pome::store
