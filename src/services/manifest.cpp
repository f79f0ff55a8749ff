#include "services/manifest.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/letters.h"
#include "base/nearest.h"
#include "hub/names.h"
#include "models/model.h"
#include "services/local_models.h"
#include "store/manifest_file.h"
#include "store/model_tree.h"

namespace pome::services {
namespace {

// Words of published names that tell one variant of a model from another.
constexpr std::string_view variants[]{"schnell", "dev",  "small",    "medium",   "large",
                                      "mini",    "base", "instruct", "chat",     "it",
                                      "coder",   "code", "vision",   "thinking", "distill"};

// What is measured anew every time and therefore cannot be told by hand.
constexpr std::string_view measured[]{"model", "model_path", "storage", "generated_at", "overrides"};

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json variant_of(const std::string& name) {
  const std::string text = lower(name.substr(name.rfind('/') + 1));
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of("-_. ", begin), text.size());
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    if (std::find(std::begin(variants), std::end(variants), word) != std::end(variants)) return word;
    begin = end + 1;
  }
  return nullptr;
}

// The repository a model comes from: the cache knows, a config may remember.
Json source_of(const LocalModel& model, const Json& old) {
  if (model.source == "cache") return model.name;
  try {
    const Json config = load_json(model.folder / "config.json");
    const auto name = config.find("_name_or_path");
    if (name != config.end() && name->is_string() && hub::parse_repo_name(name->get<std::string>()))
      return *name;
  } catch (const Error&) {
  }
  if (const auto known = old.find("source_id"); known != old.end() && known->is_string()) return *known;
  return hub::parse_repo_name(model.name) ? Json(model.name) : Json();
}

Json tags_of(const store::Summary& summary) {
  std::vector<std::string> tags;
  const auto add = [&](const std::string& tag) {
    if (!tag.empty() && std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  };
  for (const std::string& tag : {summary.task, summary.family, summary.format, summary.quantization})
    add(tag);
  for (const std::string& tag : summary.card.tags) add(tag);
  return tags;
}

Json fused_from(const LocalModel& model) {
  try {
    const Json config = load_json(model.folder / "config.json");
    if (const auto from = config.find("fused_from"); from != config.end() && from->is_string()) return *from;
  } catch (const Error&) {
  }
  return nullptr;
}

bool known_family(const std::string& family) {
  for (const models::Arch* arch : models::registry()) {
    for (const std::string_view type : arch->model_types) {
      if (type == family) return true;
    }
  }
  return false;
}

// Sets every field that files tell, where it stands if it is there already.
void derive(Json& manifest, const LocalModel& model, const std::string& shown_path, bool fast) {
  std::error_code none;
  const bool present = fs::is_directory(model.folder, none) && model.complete();
  const Json old_storage = manifest.contains("storage") ? manifest["storage"] : Json();
  manifest["model"] = model.name;
  manifest["model_path"] = shown_path;
  manifest["source_id"] = source_of(model, manifest);
  manifest["variant"] = variant_of(model.name);
  if (present || !manifest.contains("precision")) {  // of what is gone the last that was known stays
    manifest["precision"] = or_null(model.summary.precision);
    manifest["quantization"] = or_null(model.summary.quantization);
    manifest["tags"] = tags_of(model.summary);
    const bool weights = model.summary.format == "mlx" || model.summary.format == "safetensors";
    Json adapter = manifest.contains("adapter") && manifest["adapter"].is_object() ? manifest["adapter"]
                                                                                   : Json::object();
    adapter["allows_lora"] = weights && known_family(model.summary.family);
    adapter["currently_fused"] = model.summary.fused_adapter;
    adapter["fused_from"] = fused_from(model);
    manifest["adapter"] = std::move(adapter);
  }
  if (!manifest.contains("notes")) manifest["notes"] = nullptr;
  Json storage = old_storage.is_object() ? old_storage : Json::object();
  storage["present"] = present;
  if (!fast) {
    storage["file_count"] = present ? model.summary.file_count : 0;
    storage["size_bytes"] = present ? model.bytes : 0;
    storage["last_modified"] = present ? or_null(time_text(model.modified)) : Json();
  } else {
    for (const char* key : {"file_count", "size_bytes", "last_modified"}) {
      if (!storage.contains(key)) storage[key] = nullptr;
    }
  }
  manifest["storage"] = std::move(storage);
}

struct Override {
  std::string key;
  std::optional<Json> value;  // nothing: taken back
};

Override parse_override(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw error(ErrorKind::usage, "--override: \"{}\" is not key=value", text)
        .with_hint("--override source_id=org/name");
  }
  Override result{text.substr(0, equals), std::nullopt};
  const std::string first = result.key.substr(0, result.key.find('.'));
  if (std::find(std::begin(measured), std::end(measured), first) != std::end(measured)) {
    fail(ErrorKind::usage, "--override: {} is measured, it cannot be told", result.key);
  }
  const std::string value = text.substr(equals + 1);
  if (value.empty()) return result;
  if (result.key == "tags") {
    result.value = Json::array();
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(',', begin), value.size());
      if (end > begin) result.value->push_back(value.substr(begin, end - begin));
      begin = end + 1;
    }
  } else if (value == "true" || value == "false") {
    result.value = value == "true";
  } else if (value == "null") {
    result.value = Json();
  } else {
    result.value = value;
  }
  return result;
}

void apply_overrides(Json& manifest, const std::vector<Override>& given) {
  Json kept = manifest.contains("overrides") && manifest["overrides"].is_object() ? manifest["overrides"]
                                                                                  : Json::object();
  for (const Override& one : given) {
    if (one.value) {
      kept[one.key] = *one.value;
    } else {
      kept.erase(one.key);
    }
  }
  for (const auto& [key, value] : kept.items()) {
    const auto dot = key.find('.');
    if (dot == std::string::npos) {
      manifest[key] = value;
    } else if (Json& part = manifest[key.substr(0, dot)]; part.is_object() || part.is_null()) {
      part[key.substr(dot + 1)] = value;
    }
  }
  if (kept.empty()) {
    manifest.erase("overrides");
  } else {
    manifest["overrides"] = std::move(kept);
  }
}

Json read_object(const fs::path& file) {
  std::error_code none;
  if (!fs::exists(file, none)) return Json::object();
  Json json = parse_json(read_file(file), file.string());
  if (!json.is_object()) fail(ErrorKind::corrupt, "{}: expected an object", file.string());
  return json;
}

// The models of a root with what its registry and its manifests remember of those that are gone.
std::vector<LocalModel> models_of(const ManifestOptions& options, const store::Paths& paths,
                                  const Json& registry) {
  std::vector<LocalModel> models;
  if (options.root.empty()) {
    models = local_models(paths);
    std::erase_if(models, [](const LocalModel& model) { return model.source == "demo"; });
  }
  const auto is_asked = [&](const std::string& name) {
    return std::find(options.models.begin(), options.models.end(), name) != options.models.end();
  };
  const Json known =
      registry.contains("models") && registry["models"].is_object() ? registry["models"] : Json::object();
  std::set<std::string> seen;
  for (const LocalModel& model : models) seen.insert(model.name);
  if (!options.root.empty()) {
    for (const store::TreeModel& model : store::scan_model_tree(options.root).models) {
      if (!known.contains(model.name) && !options.include_unregistered && !is_asked(model.name)) continue;
      models.push_back(folder_model(model.name, model.folder));
      seen.insert(model.name);
    }
  }
  for (const auto& [name, entry] : known.items()) {
    if (!seen.insert(name).second || !entry.is_object()) continue;
    LocalModel gone;
    gone.name = name;
    gone.folder = json_value<std::string>(entry, "model_path", "");
    if (gone.folder.is_relative()) gone.folder = options.root / gone.folder;
    gone.summary.missing = {"the folder"};
    models.push_back(std::move(gone));
  }
  if (!options.models.empty())
    std::erase_if(models, [&](const LocalModel& model) { return !is_asked(model.name); });
  for (const std::string& name : options.models) {
    if (std::any_of(models.begin(), models.end(), [&](const auto& model) { return model.name == name; }))
      continue;
    const std::vector<std::string> names(seen.begin(), seen.end());
    const auto close = nearest(name, names);
    throw error(ErrorKind::not_found, "{}: no such model {}", name,
                options.root.empty() ? "is here" : "in " + options.root.string())
        .with_hint(close ? fmt::format("did you mean {}?", *close) : "pome list");
  }
  std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

}  // namespace

std::vector<SyncedManifest> sync_manifests(const ManifestOptions& options, const store::Paths& paths) {
  std::vector<Override> overrides;
  for (const std::string& text : options.overrides) overrides.push_back(parse_override(text));
  std::error_code none;
  if (!options.root.empty() && !fs::is_directory(options.root, none)) {
    fail(ErrorKind::not_found, "{}: no such folder", options.root.string());
  }
  const fs::path folder = store::manifests_folder(options.root, paths),
                 registry_file = folder / "registry.json";
  const Json old_registry = read_object(registry_file);
  Json registry = old_registry;
  if (!registry.contains("models") || !registry["models"].is_object()) registry["models"] = Json::object();
  const std::string now = time_text(std::chrono::system_clock::now());
  std::vector<SyncedManifest> result;
  for (const LocalModel& model : models_of(options, paths, registry)) {
    SyncedManifest synced{model.name, store::manifest_file(folder, model.name), "", {}};
    const bool is_new = !fs::exists(synced.file, none);
    const Json old = is_new ? Json::object() : store::read_manifest(synced.file);
    const std::string shown_path = options.root.empty()
                                       ? model.folder.string()
                                       : model.folder.lexically_relative(options.root).generic_string();
    synced.manifest = old;
    derive(synced.manifest, model, shown_path, options.fast);
    if (!options.notes.empty()) synced.manifest["notes"] = options.notes;
    apply_overrides(synced.manifest, overrides);
    synced.change = is_new ? "new" : synced.manifest == old ? "unchanged" : "updated";
    if (synced.change != "unchanged") synced.manifest["generated_at"] = now;
    Json& entry = registry["models"][model.name];
    if (!entry.is_object()) entry = Json::object();
    entry["manifest"] = synced.file.filename().string();
    entry["model_path"] = shown_path;
    entry["source_id"] = synced.manifest["source_id"];
    result.push_back(std::move(synced));
  }
  if (options.dry_run) return result;
  fs::create_directories(folder, none);
  for (const SyncedManifest& synced : result) {
    if (synced.change != "unchanged") write_file_atomic(synced.file, synced.manifest.dump(2) + "\n");
  }
  if (registry != old_registry) {
    registry["generated_at"] = now;
    write_file_atomic(registry_file, registry.dump(2) + "\n");
  }
  return result;
}

}  // namespace pome::services
