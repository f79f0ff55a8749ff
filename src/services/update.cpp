#include "services/update.h"

#include <algorithm>

#include "base/error.h"
#include "hub/names.h"
#include "store/cache_scan.h"
#include "store/hf_cache.h"

namespace pome::services {
namespace {

// In the repository's own folder, where other clients look past it: 40 hex digits.
fs::path previous_file(const store::CachedRepo& repo) { return repo.unfinished() / "previous"; }

std::string current_commit(const store::CachedRepo& repo) {
  const auto commit = repo.commit("main");
  if (!commit) {
    std::error_code none;
    if (fs::exists(repo.refs(), none)) {
      throw error(ErrorKind::not_found, "{}: its main branch is not here, and other revisions do not move",
                  repo.id())
          .with_hint("pome pull " + repo.id());
    }
    throw error(ErrorKind::not_found, "{}: not in the Hugging Face cache ({})", repo.id(),
                repo.cache().string())
        .with_hint("pome pull " + repo.id());
  }
  return *commit;
}

}  // namespace

std::vector<Outdated> outdated(const std::vector<std::string>& names, const PullOptions& options) {
  std::vector<std::string> wanted = names;
  if (wanted.empty()) {
    for (const store::ScannedRepo& repo : store::scan_cache(options.paths.hf_cache).repos) {
      const auto name = hub::parse_repo_name(repo.id);
      if (repo.type == "model" && name && repo.at("main") != nullptr) wanted.push_back(repo.id);
    }
  }
  hub::Hub hub(options.hub);
  std::vector<Outdated> rows;
  for (const std::string& name : wanted) {
    Outdated row{
        .name = name, .here = current_commit(store::CachedRepo(options.paths.hf_cache, name)), .newest = {}};
    try {
      row.newest = hub.model(name).commit;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found || options.hub.offline) throw;
    }
    if (row.newest != row.here) rows.push_back(std::move(row));
  }
  return rows;
}

std::string update(const std::string& name, const PullOptions& options,
                   const std::function<void(const PullPlan&)>& fetch) {
  const store::CachedRepo repo(options.paths.hf_cache, name);
  const std::string before = current_commit(repo);
  if (hub::Hub(options.hub).model(name).commit == before) return before;
  const PullPlan plan = plan_pull({.id = name, .revision = {}, .files = {}, .local_dir = {}}, options);
  if (plan.commit == before) return before;
  fetch(plan);
  repo.put_file(previous_file(repo), before);
  return plan.commit;
}

std::string roll_back(const std::string& name, const store::Paths& paths) {
  const store::CachedRepo repo(paths.hf_cache, name);
  const std::string now = current_commit(repo);
  std::error_code none;
  const fs::path file = previous_file(repo);
  if (!fs::exists(file, none)) {
    fail(ErrorKind::not_found, "{}: there is no update to take back", name);
  }
  const std::string before = read_file(file, 64);
  if (!hub::is_commit(before)) fail(ErrorKind::corrupt, "{}: holds no commit", file.string());
  if (!fs::exists(repo.snapshot(before), none)) {
    throw error(ErrorKind::not_found, "{}@{}: is not here any more", name, before.substr(0, 7))
        .with_hint(fmt::format("pome pull {}@{}", name, before));
  }
  repo.write_ref("main", before);
  repo.put_file(file, now);
  return before;
}

}  // namespace pome::services
