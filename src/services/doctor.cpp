#include "services/doctor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/environment.h"
#include "base/error.h"
#include "base/letters.h"
#include "base/nearest.h"
#include "base/units.h"
#include "hub/names.h"
#include "models/model.h"
#include "services/check_model.h"
#include "services/local_models.h"
#include "services/memory.h"
#include "services/memory_need.h"
#include "store/aliases.h"
#include "store/folders.h"
#include "store/hf_cache.h"
#include "store/resolve.h"

namespace pome::services {
namespace {

using Grade = Advice::Grade;

class Doctor {
 public:
  explicit Doctor(const store::Paths& paths) : paths_(paths) {}

  void good(std::string subject, std::string text) { add(Grade::good, std::move(subject), std::move(text)); }
  void note(std::string subject, std::string text, std::string command = "") {
    add(Grade::note, std::move(subject), std::move(text), std::move(command));
  }
  void problem(std::string subject, std::string text, std::string command = "") {
    add(Grade::problem, std::move(subject), std::move(text), std::move(command));
  }

  std::vector<Advice> library() {
    check_cache();
    check_surroundings();
    check_folders();
    for (const LocalModel& model : local_models(paths_)) {
      if (model.complete()) continue;
      const bool weights = model.summary.missing.front() == "weights";
      problem(model.name,
              fmt::format("listed as incomplete: {} {}", model.summary.missing.front(),
                          weights ? "are missing" : "is missing or unreadable"),
              model.source == "cache" ? "pome pull " + model.name : "pome doctor " + model.name);
    }
    return std::move(advice_);
  }

  std::vector<Advice> model(const std::string& model) {
    std::error_code none;
    if (const auto alias = store::Aliases(paths_).find(model)) {
      good(model, "an alias of " + alias->model);
      return this->model(alias->model);
    }
    if (model == "demo") {
      check_folder("demo", paths_.demo);
    } else if (fs::is_directory(model, none)) {
      check_some_folder(model);
    } else if (fs::exists(model, none)) {
      check_file(model);
    } else if (const auto known = store::Folders(paths_).find(model)) {
      good(model, fmt::format("an imported folder: {}", known->folder.string()));
      if (!fs::exists(known->folder, none)) {
        problem(model, "the folder is gone, or its disk is not there", "pome clean --missing-only");
      } else {
        check_folder(model, known->folder);
      }
    } else {
      check_name(model);
    }
    return std::move(advice_);
  }

 private:
  void add(Grade grade, std::string subject, std::string text, std::string command = "") {
    advice_.push_back({grade, std::move(subject), std::move(text), std::move(command)});
  }

  // --- surroundings
  // -----------------------------------------------------------------------------------------

  void check_cache() {
    const std::string root = paths_.hf_cache.string();
    std::error_code none;
    if (!fs::exists(paths_.hf_cache, none)) {
      note("cache", fmt::format("{} is not there yet; the first download makes it", root));
      check_space(paths_.hf_cache.parent_path());
      return;
    }
    if (::access(paths_.hf_cache.c_str(), R_OK | X_OK) != 0) {
      problem("cache", fmt::format("{} cannot be read by this user", root),
              "ls -ld " + shell_word(paths_.hf_cache));
      return;
    }
    const store::CacheScan scan = store::scan_cache(paths_.hf_cache);
    const auto models =
        std::count_if(scan.repos.begin(), scan.repos.end(), [](const auto& r) { return r.type == "model"; });
    good("cache", fmt::format("{} holds {} model{}", root, models, models == 1 ? "" : "s"));
    if (::access(paths_.hf_cache.c_str(), W_OK) != 0) {
      problem("cache", "this user may not write to it, so nothing can be pulled",
              "ls -ld " + shell_word(paths_.hf_cache));
    }
    for (const std::string& text : scan.problems) note("cache", text);
    std::uint64_t partial = 0, orphan = 0;
    for (const store::StrayFile& file : scan.orphans) orphan += file.bytes;
    for (const store::ScannedRepo& repo : scan.repos) {
      for (const store::StrayFile& file : repo.partials) partial += file.bytes;
      for (const store::StrayFile& file : repo.orphans) orphan += file.bytes;
      for (const std::string& text : repo.problems) problem_of_repo(repo, text);
    }
    if (partial > 0) {
      note("cache",
           fmt::format("{} of interrupted downloads, which pome pull goes on with", size_text(partial)),
           "pome clean --partials");
    }
    if (orphan > 0)
      note("cache", fmt::format("{} that no model uses", size_text(orphan)), "pome clean --orphans");
    check_space(paths_.hf_cache);
  }

  // Problems that the scan found, with what cures them.
  void problem_of_repo(const store::ScannedRepo& repo, const std::string& text) {
    const bool content =
        text.find("leads to") != std::string::npos || text.find("which is not here") != std::string::npos;
    problem(repo.id, text + (content ? "" : "; other clients skip the whole repository"),
            "pome pull " + repo.id);
  }

  void check_space(fs::path folder) {
    std::error_code failed;
    while (folder.has_relative_path() && !fs::exists(folder, failed)) folder = folder.parent_path();
    const fs::space_info space = fs::space(folder, failed);
    if (failed) return;
    const std::string text = fmt::format("{} free", size_text(space.available));
    constexpr std::uint64_t little = std::uint64_t{5}
                                     << 30;  // a small quantized model and what it needs besides
    space.available < little ? problem("disk", text + ", little for a model", "pome clean")
                             : good("disk", text);
  }

  void check_surroundings() {
    for (const char* name : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
      if (environment_flag(name))
        note("network", fmt::format("{} is set: nothing is downloaded", name), fmt::format("unset {}", name));
    }
    if (const std::string endpoint = environment_variable("HF_ENDPOINT"); !endpoint.empty()) {
      note("network", "models come from HF_ENDPOINT, " + endpoint);
    }
    if (!environment_variable("HF_TOKEN").empty()) {
      good("token", "HF_TOKEN is set");
      return;
    }
    const std::string named = environment_variable("HF_TOKEN_PATH"), home = environment_variable("HF_HOME");
    const fs::path file = !named.empty()  ? fs::path(named)
                          : !home.empty() ? fs::path(home) / "token"
                                          : paths_.hf_cache.parent_path() / "token";
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0) {
      note("token", "there is none: public models need none, gated and private ones do", "pome login");
    } else if ((info.st_mode & 0077) != 0) {
      note("token", fmt::format("{} can be read by others", file.string()), "chmod 600 " + shell_word(file));
    } else {
      good("token", "in " + file.string());
    }
  }

  void check_folders() {
    const store::Folders folders(paths_);
    for (const fs::path& root : folders.trees()) {
      std::error_code none;
      if (!fs::exists(root, none)) {
        problem(root.string(), "an imported folder that is gone, or on a disk that is not there");
        continue;
      }
      check_tree(store::scan_model_tree(root));
    }
  }

  void check_tree(const store::ModelTree& tree) {
    const std::string repair = "pome import " + shell_word(tree.root) + " --repair";
    for (const store::TreeModel& model : tree.models) {
      if (tree.uses_markers && !model.marked) {
        problem(model.name,
                fmt::format("its marker file {} is missing, so apps that use this folder do not show it",
                            store::marker_in_tree(tree.root, model.name).string()),
                repair);
      }
    }
    for (const fs::path& marker : tree.stale_markers) {
      problem(marker.string(), "a marker file of a model that is not there, which apps show and cannot load",
              repair);
    }
  }

  // --- one model
  // --------------------------------------------------------------------------------------------

  void check_some_folder(const fs::path& folder) {
    if (store::is_model_folder(folder) || fs::exists(folder / "config.json")) {
      check_marker(folder);
      check_folder(folder.string(), folder);
      return;
    }
    store::ModelTree tree = store::scan_model_tree(folder);
    if (tree.models.empty()) tree = store::scan_model_tree(folder / "Models");
    if (!tree.models.empty()) {
      const std::string text = fmt::format("a folder of {} models, not a model", tree.models.size());
      note(folder.string(), text, "pome import " + shell_word(folder));
      check_tree(tree);
      return;
    }
    check_folder(folder.string(), folder);
  }

  // Whether a folder lies in an app's tree, Models/models/<org>/<name>, without its marker.
  void check_marker(const fs::path& folder) {
    const fs::path real = fs::absolute(folder).lexically_normal();
    const fs::path models = real.parent_path().parent_path();
    if (models.filename() != "models") return;
    const store::ModelTree tree = store::scan_model_tree(models.parent_path());
    for (const store::TreeModel& model : tree.models) {
      if (model.folder == real && tree.uses_markers && !model.marked) {
        problem(model.name, "its marker file is missing, so apps that use this folder do not show it",
                "pome import " + shell_word(tree.root) + " --repair");
      }
    }
  }

  void check_file(const fs::path& file) {
    try {
      store::resolve(file.string(), paths_);
    } catch (const Error& error) {
      problem(file.string(), error.message(), error.hint());
    }
  }

  void check_folder(const std::string& name, const fs::path& folder) {
    const std::vector<Finding> findings = check_model(folder, name);
    bool loadable = true;
    for (const Finding& finding : findings) {
      const std::string text = finding.file.empty() ? finding.message : finding.file + ": " + finding.message;
      if (finding.grade == Finding::Grade::warning) {
        note(name, text, finding.hint);
        continue;
      }
      loadable = false;
      // A note of check_model is a model that is whole and that pome does not run.
      problem(name, text, finding.hint);
    }
    if (!loadable) return;
    try {
      const auto loaded = models::load_model(folder, {.facts_only = true});
      good(name, fmt::format("every file fits: {}, {} of weights", loaded->arch->name,
                             size_text(models::weight_bytes(*loaded))));
      check_memory_for(name, *loaded);
    } catch (const Error& error) {
      problem(name, error.what(), error.hint());
    }
  }

  // As `run` will, for a short conversation.
  void check_memory_for(const std::string& name, const models::LoadedModel& loaded) {
    const int context = std::min(short_conversation, loaded.model->info().context_length);
    const MemoryNeed need = memory_need(loaded, *graph::make_backend(), {.positions = context, .cache = {}});
    const std::uint64_t available = available_memory();
    const std::string text = fmt::format("{} at {} tokens, {} available", size_text(need.total_bytes()),
                                         context, size_text(available));
    if (need.total_bytes() > available) {
      problem(name, "does not fit into memory: needs " + text, "pome show " + name);
    } else {
      good(name, "fits into memory: needs " + text);
    }
  }

  void check_name(const std::string& model) {
    const auto name = hub::parse_repo_name(model);
    const store::CacheScan scan = store::scan_cache(paths_.hf_cache);
    const store::ScannedRepo* repo = name ? scan.find(name->id()) : nullptr;
    if (repo == nullptr) {
      explain_absence(model, name.has_value(), scan);
      return;
    }
    good(model, fmt::format("in the cache: {}, {} revision{}", repo->folder.string(), repo->revisions.size(),
                            repo->revisions.size() == 1 ? "" : "s"));
    for (const std::string& text : repo->problems) problem_of_repo(*repo, text);
    std::uint64_t partial = 0;
    for (const store::StrayFile& file : repo->partials) partial += file.bytes;
    if (!repo->partials.empty()) {
      problem(model, fmt::format("a download was interrupted, {} are here", size_text(partial)),
              "pome pull " + model);
    }
    const store::ScannedRevision* revision = repo->at(name->revision_or_main());
    if (revision == nullptr && !repo->revisions.empty()) {
      problem(model,
              fmt::format("no branch or tag \"{}\" is here, only commit {}", name->revision_or_main(),
                          repo->revisions.front().commit.substr(0, 7)),
              fmt::format("pome run {}@{}", repo->id, repo->revisions.front().commit.substr(0, 7)));
      revision = &repo->revisions.front();
    }
    if (revision == nullptr) {
      problem(model, "no snapshot is here", "pome pull " + model);
      return;
    }
    check_folder(model, revision->folder);
  }

  void explain_absence(const std::string& model, bool is_repo, const store::CacheScan& scan) {
    problem(model,
            fmt::format("not here: no alias, folder, imported model or repository in {}",
                        paths_.hf_cache.string()),
            is_repo ? "pome pull " + model.substr(0, model.find('@')) : "");
    std::vector<std::string> known = store::local_names(paths_);
    for (const store::ScannedRepo& repo : scan.repos) {
      if (repo.type == "model") known.push_back(repo.id);
      if (repo.type != "model" && repo.id == model)
        note(model, fmt::format("the cache has a {} of this name, not a model", repo.type));
    }
    const std::string low = lower(model);
    for (const std::string& name : known) {
      if (lower(name) == low || (low.size() > 2 && lower(name).find(low) != std::string::npos)) {
        note(model, "names count letter by letter: " + name + " is here", "pome run " + name);
        return;
      }
    }
    if (const auto close = nearest(model, known))
      note(model, "something similar is here", "pome doctor " + *close);
    if (is_repo) look_elsewhere(model);
  }

  // The usual places of other caches, and of programs with a tree of their own.
  void look_elsewhere(const std::string& model) {
    const std::string home = environment_variable("HOME");
    if (home.empty()) return;
    std::error_code none;
    const std::string id = model.substr(0, model.find('@'));
    for (const char* below : {".cache/huggingface/hub", ".cache/huggingface"}) {
      const fs::path cache = fs::path(home) / below;
      if (cache == paths_.hf_cache || !fs::exists(cache / store::repo_folder_name(id), none)) continue;
      note(model, fmt::format("it lies in another cache, {}", cache.string()),
           "HF_HUB_CACHE=" + shell_word(cache) + " pome run " + id);
    }
    for (const char* below :
         {".lmstudio/models", ".cache/lm-studio/models", "Documents/Models/models", "mlx-models"}) {
      const fs::path folder = fs::path(home) / below / id;
      if (fs::is_directory(folder, none)) {
        note(model, fmt::format("it lies in {}", folder.string()),
             fmt::format("pome import {} --name {}", shell_word(folder), id));
      }
    }
  }

  const store::Paths& paths_;
  std::vector<Advice> advice_;
};

}  // namespace

std::vector<Advice> examine_library(const store::Paths& paths) { return Doctor(paths).library(); }
std::vector<Advice> examine_model(const std::string& model, const store::Paths& paths) {
  return Doctor(paths).model(model);
}

Json Advice::to_json() const {
  constexpr std::string_view grades[]{"good", "note", "problem"};
  return {{"grade", grades[static_cast<std::size_t>(grade)]},
          {"subject", subject},
          {"text", text},
          {"command", command.empty() ? Json() : Json(command)}};
}

}  // namespace pome::services
