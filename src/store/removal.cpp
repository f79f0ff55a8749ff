#include "store/removal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/system_error.h"
#include "hub/names.h"
#include "store/hf_cache.h"
#include "store/shared_blobs.h"

namespace pome::store {
namespace {

struct stat own_stat(const fs::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) info.st_mode = 0;
  return info;
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

fs::path locks_of(const fs::path& cache, const fs::path& repo_folder) {
  return cache / ".locks" / repo_folder.filename();
}

// A blob's name, out of those of its partials: "<etag>.12345678.incomplete".
std::string etag_of(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.substr(0, name.find('.'));
}

class Remover {
 public:
  Remover(const fs::path& cache, const BeforeStep& before) : cache_(cache), before_(before) {}

  void step(std::string_view what) const {
    if (before_) before_(what);
  }

  void unlink(const fs::path& path) const {
    step("unlink " + path.filename().string());
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail_errno(path, "cannot delete");
  }

  // Everything below, one by one, and the folder.
  void remove_tree(const fs::path& path) const {
    const auto info = own_stat(path);
    if (info.st_mode == 0) return;
    if (!S_ISDIR(info.st_mode)) {
      unlink(path);
      return;
    }
    for (const fs::path& entry : entries(path)) remove_tree(entry);
    step("remove folder " + path.filename().string());
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT) fail_errno(path, "cannot delete");
  }

  void move(const fs::path& from, const fs::path& to) const {
    std::error_code failed;
    fs::create_directories(to.parent_path(), failed);
    step("move " + from.filename().string());
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) fail_errno(from, "cannot delete");
  }

  void sweep(const fs::path& content) const {
    if (own_stat(content).st_mode == 0) return;
    step("sweep " + content.filename().string());
    sweep_shared_blob(cache_, content);
  }

  // A blob of a repository: its content is its own, or shared.
  void remove_blob(const fs::path& repo_folder, const fs::path& blob) const {
    const std::string etag = blob.filename().string();
    const auto content = shared_target(cache_, blob);
    unlink(blob);
    unlink(repo_folder / ".pome" / (etag + ".states"));
    if (content) sweep(*content);
  }

  // What is left of a repository that has been moved away. Its links into the shared store lead astray from
  // there, but their last part still names the content.
  void finish_repo(const fs::path& gone) const {
    for (const fs::path& blob : entries(gone / "blobs")) {
      std::error_code none;
      const std::string name = fs::read_symlink(blob, none).filename().string();
      if (hub::is_sha256(name)) sweep(shared_blob(cache_, name));
    }
    remove_tree(gone);
  }

  // What is left of a snapshot that has been moved away: blobs that only it linked, and its links.
  void finish_revision(const fs::path& repo_folder, const fs::path& gone) const {
    const std::string commit = gone.filename().string().substr(std::string_view("gone.").size());
    if (hub::is_commit(commit)) {
      unlink(repo_folder / "trees" / (commit + ".json"));
      remove_tree(repo_folder / ".no_exist" / commit);
    }
    std::set<fs::path> linked;
    for (const ScannedRevision& other : scan_repo(repo_folder).revisions) {
      for (const ScannedFile& file : other.files) linked.insert(file.blob);
    }
    for (const fs::path& blob : blobs_linked_from(gone, repo_folder)) {
      if (!linked.contains(blob)) remove_blob(repo_folder, blob);
    }
    remove_tree(gone);
  }

 private:
  // The snapshot's links are relative, and .pome/gone.<commit> lies as deep as snapshots/<commit> did. Where
  // there are no links its files may be second names of blobs.
  std::set<fs::path> blobs_linked_from(const fs::path& gone, const fs::path& repo_folder) const {
    std::set<fs::path> blobs;
    std::map<std::pair<dev_t, ino_t>, fs::path> named_twice;
    for (const fs::path& blob : entries(repo_folder / "blobs")) {
      const auto info = own_stat(blob);
      if (S_ISREG(info.st_mode) && info.st_nlink > 1) named_twice[{info.st_dev, info.st_ino}] = blob;
    }
    std::error_code none;
    for (fs::recursive_directory_iterator it(gone, none), end; !none && it != end; it.increment(none)) {
      std::error_code no_link;
      if (!it->is_symlink(no_link)) {
        const auto info = own_stat(it->path());
        const auto blob = named_twice.find({info.st_dev, info.st_ino});
        if (blob != named_twice.end()) blobs.insert(blob->second);
        continue;
      }
      const fs::path blob =
          (it->path().parent_path() / fs::read_symlink(it->path(), no_link)).lexically_normal();
      if (blob.parent_path() == (repo_folder / "blobs").lexically_normal()) blobs.insert(blob);
    }
    return blobs;
  }

  const fs::path& cache_;
  const BeforeStep& before_;
};

bool is_below(const fs::path& path, const fs::path& folder) {
  const fs::path relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

// Names of files that go, by what they are names of.
class Names {
 public:
  explicit Names(const fs::path& cache) : cache_(cache), has_shared_(has_shared_blobs(cache)) {}

  void add(const fs::path& path) {
    const auto info = own_stat(path);
    if (S_ISDIR(info.st_mode)) {
      for (const fs::path& entry : entries(path)) add(entry);
    } else if (S_ISLNK(info.st_mode)) {
      if (!has_shared_ || !seen_.insert(path).second) return;
      if (const auto content = shared_target(cache_, path)) links_[*content].insert(path);
      if (is_deleted_repo(path.parent_path().parent_path())) {
        std::error_code none;
        const std::string name = fs::read_symlink(path, none).filename().string();
        if (hub::is_sha256(name)) links_[shared_blob(cache_, name)];
      }
    } else if (S_ISREG(info.st_mode) && seen_.insert(path).second) {
      File& file = files_[{info.st_dev, info.st_ino}];
      ++file.names;
      file.all_names = info.st_nlink;
      // What was begun at its full length need not occupy it.
      file.bytes = static_cast<std::uint64_t>(info.st_size);
      if (path.extension() == ".incomplete" || path.extension() == ".partial") {
        file.bytes = std::min(file.bytes, static_cast<std::uint64_t>(info.st_blocks) * 512);
      }
    }
  }

  std::uint64_t bytes() {
    for (const auto& [content, links] : links_) {
      const auto references = shared_references(cache_, content);
      if (!references || !std::includes(links.begin(), links.end(), references->begin(), references->end()))
        continue;
      add(content);
      add(content.string() + ".refs");
    }
    std::uint64_t sum = 0;
    for (const auto& [id, file] : files_) sum += file.names == file.all_names ? file.bytes : 0;
    return sum;
  }

 private:
  struct File {
    std::uint64_t bytes = 0;
    std::uint64_t names = 0, all_names = 0;
  };
  const fs::path& cache_;
  bool has_shared_;
  std::set<fs::path> seen_;
  std::map<std::pair<dev_t, ino_t>, File> files_;
  std::map<fs::path, std::set<fs::path>> links_;  // into the shared store, by content
};

}  // namespace

bool download_in_progress(const fs::path& cache, const fs::path& repo_folder) {
  for (const fs::path& file : entries(locks_of(cache, repo_folder))) {
    if (file.extension() != ".lock" || !S_ISREG(own_stat(file).st_mode)) continue;
    try {
      if (!FileLock::try_lock(file)) return true;
    } catch (const Error&) {
      // Another user's lock file that may not be opened says nothing.
    }
  }
  return false;
}

void remove_repo(const fs::path& cache, const fs::path& repo_folder, const BeforeStep& before) {
  const Remover remover(cache, before);
  const fs::path gone = deleted_repo(cache, repo_folder);
  remover.finish_repo(gone);  // of an earlier time
  remover.move(repo_folder, gone);
  remover.finish_repo(gone);
}

void remove_revision(const fs::path& cache, const fs::path& repo_folder, const std::string& commit,
                     const BeforeStep& before) {
  const Remover remover(cache, before);
  const ScannedRepo repo = scan_repo(repo_folder);
  const ScannedRevision* revision = repo.at(commit);
  if (revision == nullptr) fail(ErrorKind::not_found, "{}: no snapshot of commit {}", repo.id, commit);
  if (repo.revisions.size() == 1) {
    remove_repo(cache, repo_folder, before);
    return;
  }
  for (const std::string& ref : revision->refs) remover.unlink(repo_folder / "refs" / ref);
  const fs::path gone = repo_folder / ".pome" / ("gone." + commit);
  remover.remove_tree(gone);
  remover.move(revision->folder, gone);
  remover.finish_revision(repo_folder, gone);
}

void remove_stray(const fs::path& cache, const fs::path& path, const BeforeStep& before) {
  const Remover remover(cache, before);
  const std::string name = path.filename().string();
  const fs::path parent = path.parent_path();
  if (is_deleted_repo(path)) {
    remover.finish_repo(path);
  } else if (parent.filename() == ".pome" && name.starts_with("gone.")) {
    remover.finish_revision(parent.parent_path(), path);
  } else if (is_below(path, cache / "blobs")) {
    remover.sweep(path);
  } else if (parent.filename() == "blobs" && hub::is_blob_name(name)) {
    // Linked meanwhile, it is no orphan any more.
    for (const ScannedRevision& revision : scan_repo(parent.parent_path()).revisions) {
      for (const ScannedFile& file : revision.files) {
        if (file.blob == path) return;
      }
    }
    remover.remove_blob(parent.parent_path(), path);
  } else {
    const fs::path lock = locks_of(cache, parent.parent_path()) / (etag_of(path) + ".lock");
    std::error_code none;
    std::optional<FileLock> held;
    if (fs::exists(lock, none) && !(held = FileLock::try_lock(lock))) return;  // still growing
    remover.remove_tree(path);
  }
}

void remove_model_folder(const fs::path& folder, const BeforeStep& before) {
  const fs::path none;
  const Remover remover(none, before);
  const fs::path gone = folder.parent_path() / ("." + folder.filename().string() + ".deleting");
  remover.remove_tree(gone);
  remover.move(folder, gone);
  remover.remove_tree(gone);
}

void RemovalSize::add_repo(const ScannedRepo& repo) { trees_.insert(repo.folder); }
void RemovalSize::add_revision(const ScannedRepo& repo, const ScannedRevision& revision) {
  revisions_[&repo].insert(revision.commit);
}
void RemovalSize::add_path(const fs::path& path) { trees_.insert(path); }

std::uint64_t RemovalSize::bytes() const {
  Names names(scan_.root);
  for (const fs::path& tree : trees_) {
    names.add(tree);
    if (is_below(tree, scan_.root / "blobs")) names.add(tree.string() + ".refs");
    if (tree.parent_path().filename() == "blobs") {
      names.add(tree.parent_path().parent_path() / ".pome" / (tree.filename().string() + ".states"));
    }
  }
  for (const auto& [repo, commits] : revisions_) {
    if (commits.size() == repo->revisions.size()) {  // the last one takes the repository with it
      names.add(repo->folder);
      continue;
    }
    std::set<fs::path> kept;
    for (const ScannedRevision& revision : repo->revisions) {
      if (commits.contains(revision.commit)) continue;
      for (const ScannedFile& file : revision.files) kept.insert(file.blob);
    }
    for (const ScannedRevision& revision : repo->revisions) {
      if (!commits.contains(revision.commit)) continue;
      names.add(revision.folder);
      names.add(repo->folder / "trees" / (revision.commit + ".json"));
      names.add(repo->folder / ".no_exist" / revision.commit);
      for (const std::string& ref : revision.refs) names.add(repo->folder / "refs" / ref);
      for (const ScannedFile& file : revision.files) {
        if (kept.contains(file.blob)) continue;
        names.add(file.blob);
        names.add(repo->folder / ".pome" / (file.blob.filename().string() + ".states"));
      }
    }
  }
  return names.bytes();
}

}  // namespace pome::store
