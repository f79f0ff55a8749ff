#include "store/model_tree.h"

#include <algorithm>

#include "base/error.h"
#include "hub/names.h"

namespace pome::store {
namespace {

std::vector<fs::directory_entry> folders(const fs::path& folder) {
  std::vector<fs::directory_entry> result;
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    std::error_code no_type;
    if (it->is_directory(no_type) && !it->path().filename().string().starts_with(".")) result.push_back(*it);
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// An app may put organization and name together where a file's name has no room for a slash.
std::vector<std::string> marker_names(const std::string& name) {
  std::vector<std::string> names{last_part(name)};
  if (const auto slash = name.find('/'); slash != std::string::npos) {
    for (const char* joint : {"--", "_", "-"}) {
      names.push_back(name.substr(0, slash) + joint + name.substr(slash + 1));
    }
  }
  return names;
}

bool is_empty_file(const fs::path& path) {
  std::error_code none;
  return fs::is_regular_file(fs::symlink_status(path, none)) && fs::file_size(path, none) == 0;
}

}  // namespace

bool is_model_folder(const fs::path& folder) {
  std::error_code none;
  bool config = false, weights = false;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    const std::string name = it->path().filename().string();
    if (name == "model_index.json") return true;  // diffusers: weights lie one level deeper
    config |= name == "config.json";
    if (name.ends_with(".gguf")) return true;
    weights |= name.ends_with(".safetensors") || name.ends_with(".npz") || name.ends_with(".bin");
  }
  return config && weights;
}

ModelTree scan_model_tree(const fs::path& root) {
  ModelTree tree;
  tree.root = root;
  std::error_code none;
  tree.uses_markers = fs::is_directory(root / "models", none) && !is_model_folder(root / "models");
  const fs::path top = tree.uses_markers ? root / "models" : root;
  const auto add = [&](const std::string& name, const fs::path& folder) {
    bool marked = false;
    for (const std::string& marker : marker_names(name)) marked |= is_empty_file(root / marker);
    tree.models.push_back({name, folder, marked});
  };
  for (const auto& first : folders(top)) {
    const std::string org = first.path().filename().string();
    if (is_model_folder(first.path())) {
      add(org, first.path());
      continue;
    }
    for (const auto& second : folders(first.path())) {
      if (is_model_folder(second.path())) add(org + "/" + second.path().filename().string(), second.path());
    }
  }
  std::sort(tree.models.begin(), tree.models.end(),
            [](const TreeModel& a, const TreeModel& b) { return a.name < b.name; });
  if (!tree.uses_markers) return tree;
  for (fs::directory_iterator it(root, none), end; !none && it != end; it.increment(none)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(".") || !is_empty_file(it->path())) continue;
    const bool stands_for_one =
        std::any_of(tree.models.begin(), tree.models.end(), [&](const TreeModel& model) {
          const auto names = marker_names(model.name);
          return std::find(names.begin(), names.end(), name) != names.end();
        });
    if (!stands_for_one) tree.stale_markers.push_back(it->path());
  }
  std::sort(tree.stale_markers.begin(), tree.stale_markers.end());
  return tree;
}

void repair_markers(const ModelTree& tree) {
  if (!tree.uses_markers) return;
  for (const TreeModel& model : tree.models) {
    if (!model.marked) write_file_atomic(marker_in_tree(tree.root, model.name), "");
  }
  for (const fs::path& marker : tree.stale_markers) {
    std::error_code gone;
    fs::remove(marker, gone);
  }
}

fs::path place_in_tree(const fs::path& root, const std::string& name) {
  const auto slash = name.find('/');
  const bool good = slash == std::string::npos ? hub::is_repo_part(name)
                                               : hub::is_repo_part(name.substr(0, slash)) &&
                                                     hub::is_repo_part(name.substr(slash + 1));
  if (!good) {
    throw error(ErrorKind::usage, "\"{}\" cannot be a model's name", name).with_hint("--name org/name");
  }
  return root / "models" / name;
}

fs::path marker_in_tree(const fs::path& root, const std::string& name) { return root / last_part(name); }

}  // namespace pome::store
