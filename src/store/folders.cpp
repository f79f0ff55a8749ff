#include "store/folders.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "hub/names.h"

namespace pome::store {

struct Folders::Content {
  std::vector<KnownFolder> models;
  std::vector<fs::path> trees;
};

namespace {

bool good_name(std::string_view name) {
  return name != "demo" && (hub::is_repo_part(name) ||
                            (hub::parse_repo_name(name) && name.find('@') == std::string_view::npos));
}

}  // namespace

Folders::Content Folders::read() const {
  Content content;
  std::error_code none;
  if (!fs::exists(file_, none)) return content;
  const Json json = load_json(file_);
  try {
    if (!json.is_object()) fail(ErrorKind::corrupt, "expected an object with \"models\" and \"trees\"");
    if (const auto models = json.find("models"); models != json.end()) {
      if (!models->is_object()) fail(ErrorKind::corrupt, "\"models\": expected folders by name");
      for (const auto& [name, folder] : models->items()) {
        content.models.push_back({name, json_as<std::string>(folder, name), {}});
      }
    }
    if (const auto trees = json.find("trees"); trees != json.end()) {
      if (!trees->is_array()) fail(ErrorKind::corrupt, "\"trees\": expected an array of folders");
      for (const Json& root : *trees) content.trees.emplace_back(json_as<std::string>(root, "trees"));
    }
  } catch (Error& error) {
    throw std::move(error).in(file_.string());
  }
  return content;
}

void Folders::write(const Content& content) const {
  Json json{{"models", Json::object()}, {"trees", Json::array()}};
  for (const KnownFolder& model : content.models) json["models"][model.name] = model.folder.string();
  for (const fs::path& root : content.trees) json["trees"].push_back(root.string());
  std::error_code failed;
  fs::create_directories(file_.parent_path(), failed);
  if (failed) {
    fail(ErrorKind::refused, "{}: cannot create the folder: {}", file_.parent_path().string(),
         failed.message());
  }
  write_file_atomic(file_, json.dump(2) + "\n");
}

std::vector<KnownFolder> Folders::all() const {
  Content content = read();
  std::vector<KnownFolder> result;
  std::set<std::string> seen;
  for (KnownFolder& model : content.models) {
    if (seen.insert(model.name).second) result.push_back(std::move(model));
  }
  for (const fs::path& root : content.trees) {
    for (TreeModel& model : scan_model_tree(root).models) {
      if (seen.insert(model.name).second)
        result.push_back({std::move(model.name), std::move(model.folder), root});
    }
  }
  return result;
}

// Looks where the name would lie instead of through whole trees, for this is asked of every word that may be
// a model.
std::optional<KnownFolder> Folders::find(std::string_view name) const {
  if (!good_name(name)) return std::nullopt;
  Content content = read();
  for (KnownFolder& model : content.models) {
    if (model.name == name) return std::move(model);
  }
  for (const fs::path& root : content.trees) {
    for (const fs::path& folder : {root / "models" / name, root / name}) {
      if (is_model_folder(folder)) return KnownFolder{std::string(name), folder, root};
    }
  }
  return std::nullopt;
}

std::vector<fs::path> Folders::trees() const { return read().trees; }

void Folders::add(const std::string& name, const fs::path& folder) {
  if (!good_name(name)) {
    throw error(ErrorKind::usage, "\"{}\" cannot be a model's name", name)
        .with_hint("use org/name, or one word of letters, digits and - _ .");
  }
  Content content = read();
  std::erase_if(content.models, [&](const KnownFolder& model) { return model.name == name; });
  content.models.push_back({name, fs::absolute(folder).lexically_normal(), {}});
  write(content);
}

void Folders::add_tree(const fs::path& root) {
  Content content = read();
  fs::path absolute = fs::absolute(root).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // "Models/"
  if (std::find(content.trees.begin(), content.trees.end(), absolute) != content.trees.end()) return;
  content.trees.push_back(std::move(absolute));
  write(content);
}

bool Folders::remove(std::string_view name_or_root) {
  Content content = read();
  const fs::path root = fs::absolute(fs::path(name_or_root)).lexically_normal();
  const auto models =
      std::erase_if(content.models, [&](const KnownFolder& m) { return m.name == name_or_root; });
  const auto trees = std::erase_if(content.trees, [&](const fs::path& tree) { return tree == root; });
  if (models + trees == 0) return false;
  write(content);
  return true;
}

}  // namespace pome::store
