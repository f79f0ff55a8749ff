#include "services/cleanup.h"

#include <algorithm>

#include "base/error.h"
#include "base/letters.h"
#include "base/nearest.h"
#include "hub/names.h"
#include "store/aliases.h"
#include "store/folders.h"
#include "store/hf_cache.h"
#include "store/leases.h"
#include "store/manifest_file.h"

namespace pome::services {
namespace {

using Kind = CleanItem::Kind;

bool is_below(const fs::path& path, const fs::path& folder) {
  const fs::path relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

// Tags that somebody gave a model in its manifest.
std::vector<std::string> manifest_tags(const fs::path& manifests, const std::string& name) {
  std::vector<std::string> tags;
  try {
    const Json manifest = store::read_manifest(store::manifest_file(manifests, name));
    if (const auto list = manifest.find("tags"); list != manifest.end() && list->is_array()) {
      for (const Json& tag : *list) tags.push_back(lower(tag.get<std::string>()));
    }
  } catch (const Error&) {
    // No manifest, no tags.
  }
  return tags;
}

bool has_tag(const LocalModel& model, std::string_view wanted, const std::vector<std::string>& given) {
  const std::string tag = lower(wanted);
  if (std::find(given.begin(), given.end(), tag) != given.end()) return true;
  const store::Summary& s = model.summary;
  for (const std::string& own : s.card.tags) {
    if (lower(own) == tag) return true;
  }
  if (lower(s.task) == tag || lower(s.family) == tag || lower(s.format) == tag) return true;
  // A word of the name begins with it: "flux" in mzbac/flux1.schnell.4bit.mlx.
  const std::string name = lower(model.name);
  for (auto at = name.find(tag); at != std::string::npos; at = name.find(tag, at + 1)) {
    const char before = at == 0 ? '/' : name[at - 1];
    if (before == '/' || before == '-' || before == '_' || before == '.') return true;
  }
  return false;
}

bool has_quantization(const store::Summary& s, std::string_view wanted) {
  const std::string text = lower(wanted);
  if (text == "none") return s.quantization.empty();
  if (s.quantization.empty()) return lower(s.precision) == text;
  return lower(s.quantization) == text || fmt::format("{}bit", s.bits) == text ||
         std::to_string(s.bits) == text;
}

const store::ScannedRepo* repo_at(const store::CacheScan& scan, const fs::path& folder) {
  for (const store::ScannedRepo& repo : scan.repos) {
    if (repo.folder == folder) return &repo;
  }
  return nullptr;
}

// What those that go free together.
std::uint64_t freed_bytes(const store::CacheScan& scan, std::span<const CleanItem> items) {
  store::RemovalSize size(scan);
  for (const CleanItem& item : items) {
    if (!item.kept.empty() || item.kind == Kind::name) continue;
    const store::ScannedRepo* repo = repo_at(scan, item.path);
    const store::ScannedRevision* revision = repo == nullptr ? nullptr : repo->at(item.commit);
    if (item.kind == Kind::repo && repo != nullptr) {
      size.add_repo(*repo);
    } else if (item.kind == Kind::revision && revision != nullptr) {
      size.add_revision(*repo, *revision);
    } else {
      size.add_path(item.path);
    }
  }
  return size.bytes();
}

class Planner {
 public:
  explicit Planner(const store::Paths& paths)
      : scan_(store::scan_cache(paths.hf_cache)), leases_(store::leases_in_use(paths)) {}

  const store::CacheScan& scan() const { return scan_; }

  void add_repo(const store::ScannedRepo& repo, std::string reason) {
    add({.kind = Kind::repo,
         .name = repo.id,
         .reason = std::move(reason),
         .path = repo.folder,
         .kept = kept(repo.folder, repo.folder)});
  }

  void add_revision(const store::ScannedRepo& repo, const store::ScannedRevision& revision,
                    std::string reason) {
    add({.kind = Kind::revision,
         .name = fmt::format("{}@{}", repo.id, revision.commit.substr(0, 7)),
         .reason = std::move(reason),
         .path = repo.folder,
         .commit = revision.commit,
         .kept = kept(revision.folder, repo.folder)});
  }

  void add_stray(Kind kind, const store::StrayFile& file, std::string reason) {
    const fs::path repo = file.path.parent_path().parent_path();
    const bool busy = repo.parent_path() == scan_.root && store::download_in_progress(scan_.root, repo);
    add({.kind = kind,
         .name = file.path.lexically_relative(scan_.root).string(),
         .reason = std::move(reason),
         .path = file.path,
         .kept = busy ? "a download is in progress" : ""});
  }

  void add_folder(const std::string& name, const fs::path& folder, bool delete_files, std::string reason) {
    add({.kind = delete_files ? Kind::folder : Kind::name,
         .name = name,
         .reason = std::move(reason),
         .path = folder,
         .kept = delete_files ? kept(folder, {}) : ""});
  }

  void add_manifest(const fs::path& file) {
    add({.kind = Kind::manifest,
         .name = file.filename().string(),
         .reason = "its model is gone",
         .path = file});
  }

  CleanPlan take() {
    plan_.bytes = freed_bytes(scan_, plan_.items);
    return std::move(plan_);
  }

 private:
  std::string kept(const fs::path& folder, const fs::path& repo) const {
    std::error_code none;
    const fs::path real = fs::weakly_canonical(folder, none);
    for (const store::LeaseInfo& lease : leases_) {
      if (is_below(lease.folder, real)) {
        return fmt::format("in use by {} (process {})", lease.program, lease.process);
      }
    }
    if (!repo.empty() && store::download_in_progress(scan_.root, repo)) return "a download is in progress";
    return {};
  }

  void add(CleanItem item) {
    std::string why;
    std::swap(why, item.kept);  // its size is told though it stays
    item.bytes = freed_bytes(scan_, std::span(&item, 1));
    item.kept = std::move(why);
    plan_.items.push_back(std::move(item));
  }

  const store::CacheScan scan_;
  const std::vector<store::LeaseInfo> leases_;
  CleanPlan plan_;
};

[[noreturn]] void fail_unknown(const std::string& model, const store::CacheScan& scan,
                               const store::Paths& paths) {
  std::vector<std::string> names;
  for (const store::ScannedRepo& repo : scan.repos) names.push_back(repo.id);
  for (const store::KnownFolder& known : store::Folders(paths).all()) names.push_back(known.name);
  Error missing =
      error(ErrorKind::not_found, "{}: no such model in the cache or among imported folders", model);
  const auto close = nearest(model, names);
  throw std::move(missing).with_hint(close ? fmt::format("did you mean {}?", *close) : "pome list");
}

void add_named(Planner& planner, const std::string& model, bool delete_files, const store::Paths& paths) {
  if (model == "demo") fail(ErrorKind::usage, "demo: the bundled model stays with the program");
  if (store::Aliases(paths).find(model)) {
    throw error(ErrorKind::usage, "{}: an alias, not a model", model).with_hint("pome alias rm " + model);
  }
  if (const auto known = store::Folders(paths).find(model)) {
    const bool own = is_below(known->folder, paths.data);
    const bool files = own || delete_files;
    if (!known->tree.empty() && !files) {
      throw error(ErrorKind::refused,
                  "{}: lies in the folder {} that was imported as a whole; nothing was removed", model,
                  known->tree.string())
          .with_hint("--files deletes it there");
    }
    planner.add_folder(model, known->folder, files,
                       own     ? "a copy that pome made"
                       : files ? "imported"
                               : "its name; the files stay");
    return;
  }
  const auto name = hub::parse_repo_name(model);
  const store::ScannedRepo* repo = name ? planner.scan().find(name->id()) : nullptr;
  if (repo == nullptr) {
    std::error_code none;
    if (fs::exists(model, none)) {
      fail(ErrorKind::usage, "{}: a folder that pome does not keep; nothing was removed", model);
    }
    fail_unknown(model, planner.scan(), paths);
  }
  if (name->revision.empty()) {
    planner.add_repo(
        *repo, fmt::format("{} revision{}", repo->revisions.size(), repo->revisions.size() == 1 ? "" : "s"));
    return;
  }
  const store::ScannedRevision* revision = repo->at(name->revision);
  for (const store::ScannedRevision& any : repo->revisions) {
    if (revision == nullptr && name->revision.size() >= 7 && any.commit.starts_with(name->revision))
      revision = &any;
  }
  if (revision == nullptr) {
    fail(ErrorKind::not_found, "{}: no revision \"{}\" in the cache", repo->id, name->revision);
  }
  planner.add_revision(*repo, *revision,
                       revision->refs.empty() ? "detached revision" : revision->refs.front());
}

void add_manifests_of_missing(Planner& planner, const fs::path& root, const store::Paths& paths) {
  const fs::path folder = store::manifests_folder(root, paths);
  for (const Json& manifest : store::read_manifests(folder)) {
    fs::path model = json_value<std::string>(manifest, "model_path", "");
    if (model.empty()) continue;
    if (model.is_relative()) model = root / model;
    std::error_code none;
    if (fs::exists(model, none)) continue;
    const fs::path file = store::manifest_file(folder, json_value<std::string>(manifest, "model", ""));
    if (fs::exists(file, none)) planner.add_manifest(file);
  }
}

std::vector<LocalModel> models_of(const fs::path& root, const store::Paths& paths) {
  if (root.empty()) return local_models(paths);
  std::error_code none;
  if (!fs::is_directory(root, none)) fail(ErrorKind::not_found, "{}: no such folder", root.string());
  std::vector<LocalModel> models;
  for (const store::TreeModel& model : store::scan_model_tree(root).models) {
    models.push_back(folder_model(model.name, model.folder));
  }
  return models;
}

}  // namespace

CleanPlan plan_removal(const std::vector<std::string>& models, bool delete_files, const store::Paths& paths) {
  Planner planner(paths);
  for (const std::string& model : models) add_named(planner, model, delete_files, paths);
  return planner.take();
}

CleanPlan plan_clean(const CleanOptions& options, const store::Paths& paths) {
  Planner planner(paths);
  const store::Time now = std::chrono::system_clock::now();
  const auto old_enough = [&](store::Time time, const std::optional<std::chrono::seconds>& age) {
    return !age || time + *age < now;
  };
  if (options.chooses_models()) {
    const fs::path manifests = store::manifests_folder(options.root, paths);
    for (const LocalModel& model : models_of(options.root, paths)) {
      const std::vector<std::string> given = manifest_tags(manifests, model.name);
      const bool fits =
          std::all_of(options.tags.begin(), options.tags.end(),
                      [&](const auto& t) { return has_tag(model, t, given); }) &&
          (options.quantization.empty() || has_quantization(model.summary, options.quantization)) &&
          (!options.fused_only || model.summary.fused_adapter) &&
          old_enough(model.modified, options.older_than) && old_enough(model.used, options.unused);
      if (!fits || model.source == "demo") continue;
      if (model.source == "cache") {
        planner.add_repo(*planner.scan().find(model.name),
                         fmt::format("last used {}", time_text(model.used).substr(0, 10)));
      } else if (!options.root.empty()) {
        planner.add_folder(model.name, model.folder, true,
                           fmt::format("last used {}", time_text(model.used).substr(0, 10)));
      } else if (is_below(model.folder, paths.data)) {
        planner.add_folder(model.name, model.folder, true, "a copy that pome made");
      }
    }
  }
  if (options.missing_only) {
    for (const store::KnownFolder& known : store::Folders(paths).all()) {
      std::error_code none;
      if (!fs::exists(known.folder, none))
        planner.add_folder(known.name, known.folder, false, "its folder is gone");
    }
    add_manifests_of_missing(planner, options.root, paths);
  }
  if (!options.root.empty()) return planner.take();
  for (const store::ScannedRepo& repo : planner.scan().repos) {
    for (const store::ScannedRevision& revision : repo.revisions) {
      if (options.revisions && revision.refs.empty() && old_enough(revision.modified(), options.older_than)) {
        planner.add_revision(repo, revision, "detached revision");
      }
    }
    for (const store::StrayFile& file : repo.partials) {
      if (options.partials && old_enough(file.modified, options.older_than)) {
        planner.add_stray(Kind::partial, file, "interrupted download");
      }
    }
    for (const store::StrayFile& file : repo.orphans) {
      if (options.orphans && old_enough(file.modified, options.older_than)) {
        planner.add_stray(Kind::orphan, file, "no snapshot links it");
      }
    }
  }
  for (const store::StrayFile& file : planner.scan().orphans) {
    if (options.orphans && old_enough(file.modified, options.older_than)) {
      planner.add_stray(
          Kind::orphan, file,
          store::is_deleted_repo(file.path) ? "an interrupted delete" : "no repository links it");
    }
  }
  return planner.take();
}

std::uint64_t apply(const CleanPlan& plan, const std::function<CleanPlan()>& plan_again,
                    const store::Paths& paths, const std::function<void(const CleanItem&)>& done) {
  const auto gate = store::block_leases(paths);
  if (!gate) {
    throw error(ErrorKind::refused, "another pome opens or deletes a model right now; nothing was deleted")
        .with_hint("try again");
  }
  std::vector<CleanItem> items = plan_again().items;
  std::erase_if(items, [&](const CleanItem& item) {
    const auto agrees = [&](const CleanItem& shown) {
      return shown.kept.empty() && shown.kind == item.kind && shown.path == item.path &&
             shown.commit == item.commit;
    };
    return !item.kept.empty() || std::none_of(plan.items.begin(), plan.items.end(), agrees);
  });
  const std::uint64_t bytes = freed_bytes(store::scan_cache(paths.hf_cache), items);
  for (const CleanItem& item : items) {
    switch (item.kind) {
      case Kind::repo:
        store::remove_repo(paths.hf_cache, item.path);
        break;
      case Kind::revision:
        store::remove_revision(paths.hf_cache, item.path, item.commit);
        break;
      case Kind::partial:
      case Kind::orphan:
        store::remove_stray(paths.hf_cache, item.path);
        break;
      case Kind::folder:
        store::remove_model_folder(item.path);
        store::Folders(paths).remove(item.name);
        break;
      case Kind::name:
        store::Folders(paths).remove(item.name);
        break;
      case Kind::manifest: {
        std::error_code gone;
        fs::remove(item.path, gone);
        break;
      }
    }
    if (done) done(item);
  }
  return bytes;
}

Json CleanItem::to_json() const {
  constexpr std::string_view kinds[]{"repo", "revision", "partial", "orphan", "folder", "name", "manifest"};
  return {{"kind", kinds[static_cast<std::size_t>(kind)]},
          {"name", name},
          {"reason", reason},
          {"path", path.string()},
          {"commit", commit.empty() ? Json() : Json(commit)},
          {"bytes", bytes},
          {"kept", kept.empty() ? Json() : Json(kept)}};
}

}  // namespace pome::services
