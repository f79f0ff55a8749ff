#include "store/resolve.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/letters.h"
#include "base/nearest.h"
#include "hub/names.h"
#include "store/folders.h"
#include "store/hf_cache.h"

namespace pome::store {
namespace {

struct Foreign {
  std::string_view ending;
  std::string_view kind;
};
constexpr std::array<Foreign, 7> foreign_endings{{
    {".gguf", "a GGUF file"},
    {".bin", "a PyTorch checkpoint"},
    {".pt", "a PyTorch checkpoint"},
    {".pth", "a PyTorch checkpoint"},
    {".ckpt", "a PyTorch checkpoint"},
    {".npz", "a NumPy archive"},
    {".safetensors", "a single safetensors file without its config.json"},
}};

const Foreign* foreign(const fs::path& file) {
  for (const Foreign& row : foreign_endings) {
    if (file.extension() == row.ending) return &row;
  }
  return nullptr;
}

[[noreturn]] void refuse_foreign(const fs::path& file, const Foreign& row) {
  std::error_code none;
  if (row.ending == ".safetensors" && fs::exists(file.parent_path() / "config.json", none)) {
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    throw error(ErrorKind::unsupported, "{}: one file of a model; a model is named by its folder",
                file.string())
        .with_hint("pome run " + shell_word(folder));
  }
  throw error(ErrorKind::unsupported, "{}: {}, not a model folder; nothing was loaded", file.string(),
              row.kind)
      .with_hint("pome convert " + shell_word(file));
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> result;
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    result.push_back(it->path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

// Whether a folder has weights; if it has only what pome does not run, that is refused.
bool check_weights(const fs::path& folder) {
  std::error_code none;
  const bool config = fs::exists(folder / "config.json", none);
  const fs::path* other = nullptr;
  const std::vector<fs::path> files = entries(folder);
  for (const fs::path& file : files) {
    const Foreign* row = foreign(file);
    if (row == nullptr || file.filename() == "training_args.bin") continue;
    if (row->ending == ".safetensors" && config) return true;
    if (other == nullptr) other = &file;
  }
  if (other != nullptr) refuse_foreign(*other, *foreign(*other));
  return false;
}

void check_folder(const fs::path& folder) {
  std::error_code none;
  const bool weights = check_weights(folder);
  if (!fs::exists(folder / "config.json", none)) {
    fail(ErrorKind::not_found, "{}: not a model folder: it has no config.json", folder.string());
  }
  if (!weights) fail(ErrorKind::not_found, "{}: the folder has no *.safetensors file", folder.string());
}

// The files of a snapshot that a model cannot do without and that are not there: links whose blob is gone,
// and shards that the index names.
std::vector<std::string> missing_files(const fs::path& snapshot) {
  std::vector<std::string> missing;
  std::error_code none;
  for (const fs::path& file : entries(snapshot)) {
    const std::string name = file.filename().string();
    const bool needed = file.extension() == ".json" || file.extension() == ".safetensors" ||
                        file.extension() == ".jinja" || name == "tokenizer.model" ||
                        file.extension() == ".tiktoken";
    if (needed && !fs::exists(file, none)) missing.push_back(name);
  }
  const auto add = [&](const std::string& name) {
    if (std::find(missing.begin(), missing.end(), name) == missing.end()) missing.push_back(name);
  };
  if (!fs::exists(snapshot / "config.json", none)) add("config.json");
  const fs::path index = snapshot / "model.safetensors.index.json";
  if (fs::exists(index, none)) {
    const Json json = load_json(index);
    if (const auto map = json.find("weight_map"); map != json.end() && map->is_object()) {
      for (const auto& [tensor, file] : map->items()) {
        if (!file.is_string()) continue;  // models::load_model says what is wrong with it
        const auto name = file.get<std::string>();
        if (fs::path(name).filename() == name && !fs::exists(snapshot / name, none)) add(name);
      }
    }
  }
  return missing;
}

std::string short_list(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 4;
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + std::min(shown, names.size()), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

fs::path repository_folder(const hub::RepoName& hub, const Paths& paths) {
  return paths.hf_cache / repo_folder_name(hub.id());
}

// What can be written after '@': names of refs, then commits.
std::vector<std::string> known_revisions(const fs::path& repository) {
  std::vector<std::string> result;
  std::error_code none;
  const fs::path refs = repository / "refs";
  for (fs::recursive_directory_iterator it(refs, none), end; !none && it != end; it.increment(none)) {
    if (it->is_regular_file(none)) result.push_back(it->path().lexically_relative(refs).string());
  }
  std::sort(result.begin(), result.end());
  for (const fs::path& snapshot : entries(repository / "snapshots")) {
    result.push_back(snapshot.filename().string());
  }
  return result;
}

std::optional<std::string> find_commit(const CachedRepo& repository, const std::string& revision) {
  if (auto commit = repository.commit(revision)) return commit;
  if (revision.size() < 7 || !hub::is_lower_hex(revision)) return std::nullopt;
  std::optional<std::string> found;
  for (const fs::path& snapshot : entries(repository.snapshots())) {
    const std::string commit = snapshot.filename().string();
    if (!hub::is_commit(commit) || !commit.starts_with(revision)) continue;
    if (found)
      fail(ErrorKind::usage, "revision \"{}\" begins several commits: {}, {}", revision, *found, commit);
    found = commit;
  }
  return found;
}

Place locate_hub(const hub::RepoName& hub, const Paths& paths) {
  const std::string name = hub.id();
  const std::string revision = hub.revision_or_main();
  if (!hub::is_revision(revision)) fail(ErrorKind::usage, "\"{}\" cannot be a revision", revision);
  const CachedRepo repository(paths.hf_cache, name);
  const std::optional<std::string> commit = find_commit(repository, revision);
  if (!commit) {
    Error missing = error(ErrorKind::not_found, "{}: no revision \"{}\" in the cache", name, revision);
    if (const auto known = known_revisions(repository.folder()); !known.empty()) {
      missing.with_hint(fmt::format("{}@{} is there", name, known.front()));
    }
    throw missing;
  }
  const fs::path snapshot = repository.snapshot(*commit);
  std::error_code none;
  if (!fs::is_directory(snapshot, none)) {
    fail(ErrorKind::corrupt, "{}: the cache names commit {} but has no snapshot of it", name, *commit);
  }
  Place place{.kind = Place::Kind::hub, .name = name, .folder = snapshot, .commit = *commit, .alias = {}};
  if (!hub.revision.empty()) place.name += "@" + hub.revision;
  return place;
}

void check_snapshot(const Place& place) {
  const std::string name = place.name.substr(0, place.name.find('@'));
  const std::vector<std::string> missing = missing_files(place.folder);
  if (!missing.empty()) {
    if (std::find(missing.begin(), missing.end(), "config.json") != missing.end()) {
      check_weights(place.folder);
    }
    throw error(ErrorKind::corrupt, "{}: the snapshot is incomplete: {} missing (download interrupted?)",
                name, short_list(missing))
        .with_hint(fmt::format("pome pull {}", place.name));
  }
  if (!check_weights(place.folder)) {
    throw error(ErrorKind::corrupt, "{}: the snapshot has no *.safetensors file", name)
        .with_hint(fmt::format("pome pull {}", place.name));
  }
}

void check(const Place& place) {
  if (!place.file.empty()) refuse_foreign(place.folder / place.file, *foreign(place.file));
  place.kind == Place::Kind::hub ? check_snapshot(place) : check_folder(place.folder);
}

// The name that contains the word ("qwen3-0.6b" without organization), or is spelled most like it.
std::optional<std::string> suggestion(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() >= 3) {
    for (const std::string& name : known) {
      if (lower(name).find(lower(word)) != std::string::npos) return name;
    }
  }
  return nearest(word, known);
}

[[noreturn]] void fail_unknown(std::string_view model, const Paths& paths) {
  Error missing =
      hub::parse_repo_name(model)
          ? error(ErrorKind::not_found, "{}: not in the Hugging Face cache ({})", model,
                  paths.hf_cache.string())
          : error(ErrorKind::not_found,
                  "there is no model \"{}\": no alias, folder or cached model has this name", model);
  const std::vector<std::string> known = local_names(paths);
  if (const auto close = suggestion(model, known)) {
    missing.with_hint(fmt::format("did you mean {}?", *close));
  } else if (hub::parse_repo_name(model)) {
    missing.with_hint(fmt::format("pome pull {}", model));
  } else if (!known.empty()) {
    missing.with_hint("these are here: " + short_list(known));
  }
  throw missing;
}

Place locate_name(std::string_view model, const Paths& paths) {
  std::error_code none;
  const auto folder_place = [](Place::Kind kind, std::string name, const fs::path& folder) {
    return Place{.kind = kind, .name = std::move(name), .folder = folder, .commit = {}, .alias = {}};
  };
  if (model == "demo") {
    if (!fs::exists(paths.demo / "config.json", none)) {
      throw error(ErrorKind::not_found, "the bundled model is not there: expected it in {}",
                  paths.demo.string())
          .with_hint("set POME_DEMO to its folder");
    }
    return folder_place(Place::Kind::demo, "demo", paths.demo);
  }
  const fs::path path = model;
  if (fs::is_directory(path, none)) return folder_place(Place::Kind::folder, std::string(model), path);
  if (fs::exists(path, none)) {
    if (foreign(path) == nullptr) {
      fail(ErrorKind::unsupported, "{}: a file; a model is a folder with config.json and safetensors files",
           model);
    }
    Place place = folder_place(Place::Kind::folder, std::string(model), path.parent_path());
    place.file = path.filename().string();
    return place;
  }
  if (const auto known = Folders(paths).find(model)) {
    return folder_place(Place::Kind::folder, known->name, known->folder);
  }
  if (const auto hub = hub::parse_repo_name(model);
      hub && fs::is_directory(repository_folder(*hub, paths), none)) {
    return locate_hub(*hub, paths);
  }
  fail_unknown(model, paths);
}

Place found(std::string_view model, const Paths& paths, void (*look)(const Place&)) {
  if (model.empty()) fail(ErrorKind::usage, "the model's name is empty");
  if (model.find('\0') != std::string_view::npos) fail(ErrorKind::usage, "the model's name has a zero byte");
  std::optional<Alias> alias;
  if (model != "demo") alias = Aliases(paths).find(model);
  try {
    Place place = locate_name(alias ? alias->model : model, paths);
    look(place);
    place.alias = std::move(alias);
    return place;
  } catch (Error& error) {
    if (alias) throw std::move(error).in(fmt::format("alias {}", model));
    throw;
  }
}

}  // namespace

Place resolve(std::string_view model, const Paths& paths) { return found(model, paths, check); }

Place locate(std::string_view model, const Paths& paths) {
  return found(model, paths, [](const Place&) {});
}

bool names_a_model(std::string_view word, const Paths& paths) {
  if (word.empty() || word.size() > 4096 || word.find('\0') != std::string_view::npos) return false;
  if (word == "demo" || hub::parse_repo_name(word)) return true;
  const bool sentence = word.find_first_of(" \t\n") != std::string_view::npos;
  if (!sentence && (word.starts_with("./") || word.starts_with("../"))) return true;
  std::error_code none;
  const fs::path path = word;
  if (word.find('/') != std::string_view::npos && fs::is_regular_file(path, none)) return true;
  if (fs::is_directory(path, none)) {
    // A bare word may be the first of a question and a folder here by chance.
    if (word.find('/') != std::string_view::npos || fs::exists(path / "config.json", none)) return true;
    const std::vector<fs::path> files = entries(path);
    return std::any_of(files.begin(), files.end(),
                       [](const fs::path& file) { return foreign(file) != nullptr; });
  }
  if (foreign(path) != nullptr && path.has_stem()) return true;
  return Aliases(paths).find(word).has_value() || Folders(paths).find(word).has_value();
}

std::vector<std::string> local_names(const Paths& paths) {
  std::vector<std::string> names;
  std::error_code none;
  if (fs::exists(paths.demo / "config.json", none)) names.emplace_back("demo");
  for (const Alias& alias : Aliases(paths).all()) names.push_back(alias.name);
  for (const KnownFolder& known : Folders(paths).all()) names.push_back(known.name);
  for (const fs::path& folder : entries(paths.hf_cache)) {
    const auto id = repo_id(folder.filename().string());
    const auto repository = id ? hub::parse_repo_name(*id) : std::nullopt;
    if (!repository) continue;
    try {
      const Place place = locate_hub(*repository, paths);
      check(place);
      names.push_back(place.name);
    } catch (const Error&) {
      // An incomplete model is no suggestion.
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace pome::store
