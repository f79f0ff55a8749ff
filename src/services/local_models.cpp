#include "services/local_models.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "base/error.h"
#include "store/catalogue.h"
#include "store/folders.h"
#include "store/leases.h"
#include "store/wanted.h"

namespace pome::services {
namespace {

// Reading a card or a config is no use of a model, so the largest file decides.
template <class Files, class Bytes, class Used>
store::Time used_of_largest(const Files& files, Bytes bytes, Used used) {
  const auto largest = std::max_element(files.begin(), files.end(),
                                        [&](const auto& a, const auto& b) { return bytes(a) < bytes(b); });
  return largest == files.end() ? store::Time{} : used(*largest);
}

store::Time file_time(const timespec& t) { return store::Time(std::chrono::seconds(t.tv_sec)); }

const store::ScannedRevision* shown_revision(const store::ScannedRepo& repo) {
  if (const auto* main = repo.at("main")) return main;
  const store::ScannedRevision* best = nullptr;
  for (const store::ScannedRevision& revision : repo.revisions) {
    if (best == nullptr || std::pair(!revision.refs.empty(), revision.modified()) >
                               std::pair(!best->refs.empty(), best->modified())) {
      best = &revision;
    }
  }
  return best;
}

void note_use(std::vector<LocalModel>& models, const store::Paths& paths) {
  std::set<fs::path> in_use;
  for (const store::LeaseInfo& lease : store::leases_in_use(paths)) in_use.insert(lease.folder);
  for (LocalModel& model : models) {
    std::error_code none;
    model.in_use = !in_use.empty() && in_use.contains(fs::weakly_canonical(model.folder, none));
    model.used = std::max(model.used, store::last_opened(paths, model.folder));
  }
}

}  // namespace

std::string time_text(store::Time time) {
  if (time == store::Time{}) return "";
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

LocalModel folder_model(const std::string& name, const fs::path& folder) {
  LocalModel model;
  model.name = name;
  model.source = "folder";
  model.folder = folder;
  const std::vector<store::FolderFile> files = store::folder_files(folder);
  model.summary = store::summarise(folder, files, name);
  model.bytes = model.summary.bytes;
  std::uint64_t largest = 0;
  for (const store::FolderFile& file : files) {
    struct stat info{};
    if (!file.present || ::stat((folder / file.name).c_str(), &info) != 0) continue;
    model.modified = std::max(model.modified, file_time(info.st_mtim));
    if (file.bytes < largest) continue;
    largest = file.bytes;
    model.used = file_time(info.st_atim);
  }
  return model;
}

std::vector<LocalModel> cached_models(const store::CacheScan& scan) {
  std::vector<LocalModel> models;
  for (const store::ScannedRepo& repo : scan.repos) {
    const store::ScannedRevision* revision = shown_revision(repo);
    if (repo.type != "model" || revision == nullptr) continue;
    LocalModel model;
    model.name = repo.id;
    model.source = "cache";
    model.folder = revision->folder;
    model.commit = revision->commit;
    model.refs = revision->refs;
    model.revisions = repo.revisions.size();
    model.detached = revision->refs.empty();
    model.summary = store::summarise(revision->folder, store::folder_files(*revision), repo.id);
    model.bytes = repo.bytes();
    model.modified = revision->modified();
    for (const store::ScannedRevision& any : repo.revisions) {
      model.used = std::max(model.used, used_of_largest(
                                            any.files, [](const auto& f) { return f.bytes; },
                                            [](const auto& f) { return f.used; }));
    }
    models.push_back(std::move(model));
  }
  return models;
}

std::vector<LocalModel> local_models(const store::Paths& paths) {
  std::vector<LocalModel> models = cached_models(store::scan_cache(paths.hf_cache));
  std::error_code none;
  if (fs::exists(paths.demo / "config.json", none)) {
    models.push_back(folder_model("demo", paths.demo));
    models.back().source = "demo";
  }
  for (const store::KnownFolder& known : store::Folders(paths).all()) {
    models.push_back(folder_model(known.name, known.folder));
    if (!known.tree.empty()) models.back().source = "tree";
    if (!fs::exists(known.folder, none)) models.back().summary.missing = {"the folder"};
  }
  note_use(models, paths);
  std::sort(models.begin(), models.end(), [](const LocalModel& a, const LocalModel& b) {
    return std::tie(a.name, a.source, a.folder) < std::tie(b.name, b.source, b.folder);
  });
  return models;
}

std::vector<WantedModel> compare_with_wanted(const std::vector<LocalModel>& models, const std::string& wanted,
                                             const store::Paths& paths) {
  // Names that will do for one another, the one to take first.
  std::vector<std::vector<std::string>> names;
  if (std::error_code none; wanted == "catalogue" && !fs::exists(wanted, none)) {
    const store::Catalogue catalogue = store::Catalogue::load(paths);
    for (const store::KnownModel& known : catalogue.models()) {
      std::vector<std::string> repos;
      for (const store::KnownRepo& repo : known.repos) repos.push_back(repo.repo);
      if (!repos.empty()) names.push_back(std::move(repos));
    }
  } else {
    for (std::string& name : store::parse_wanted(read_file(wanted))) names.push_back({std::move(name)});
  }
  std::vector<WantedModel> result;
  for (const std::vector<std::string>& any_of : names) {
    WantedModel row{.name = any_of.front(), .present = false, .state = "missing"};
    for (const LocalModel& model : models) {
      if (row.present || std::find(any_of.begin(), any_of.end(), model.name) == any_of.end()) continue;
      row = {.name = model.name, .present = model.complete(), .state = model.complete() ? "" : "incomplete"};
    }
    result.push_back(std::move(row));
  }
  return result;
}

Json LocalModel::to_json() const {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"name", name},
          {"source", source},
          {"folder", folder.string()},
          {"commit", or_null(commit)},
          {"refs", refs},
          {"revisions", revisions > 0 ? Json(revisions) : Json()},
          {"format", or_null(summary.format)},
          {"task", or_null(summary.task)},
          {"family", or_null(summary.family)},
          {"architecture", or_null(summary.architecture)},
          {"bits", summary.bits > 0 ? Json(summary.bits) : Json()},
          {"quantization", or_null(summary.quantization)},
          {"precision", or_null(summary.precision)},
          {"licence", or_null(summary.card.licence)},
          {"base_models", summary.card.base_models},
          {"bytes", bytes},
          {"files", summary.file_count},
          {"last_used", or_null(time_text(used))},
          {"last_modified", or_null(time_text(modified))},
          {"complete", complete()},
          {"missing", summary.missing},
          {"in_use", in_use},
          {"detached", detached}};
}

}  // namespace pome::services
