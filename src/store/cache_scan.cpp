#include "store/cache_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "hub/names.h"
#include "store/hf_cache.h"
#include "store/shared_blobs.h"

namespace pome::store {
namespace {

constexpr int max_depth = 32;  // of folders in a snapshot
constexpr std::string_view gone_prefix = "gone.";

Time time_of(const timespec& t) {
  return Time(std::chrono::duration_cast<Time::duration>(std::chrono::seconds(t.tv_sec) +
                                                         std::chrono::nanoseconds(t.tv_nsec)));
}

// A file that was begun at its full length occupies less than it.
std::uint64_t occupied(const struct stat& info) {
  return std::min(static_cast<std::uint64_t>(info.st_size), static_cast<std::uint64_t>(info.st_blocks) * 512);
}

std::vector<fs::directory_entry> entries(const fs::path& folder) {
  std::vector<fs::directory_entry> result;
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    result.push_back(*it);
  }
  std::sort(result.begin(), result.end());
  return result;
}

// Helper files of operating systems, which huggingface_hub overlooks too.
bool is_helper_file(const std::string& name) { return name == ".DS_Store"; }

std::uint64_t occupied_below(const fs::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return 0;
  if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
  std::uint64_t bytes = 0;
  if (S_ISDIR(info.st_mode)) {
    for (const auto& entry : entries(path)) bytes += occupied_below(entry.path());
  }
  return bytes;
}

std::optional<StrayFile> stray(const fs::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  const std::uint64_t bytes = S_ISREG(info.st_mode) ? occupied(info) : occupied_below(path);
  return StrayFile{path, bytes, time_of(info.st_mtim)};
}

void add_stray(std::vector<StrayFile>& list, const fs::path& path) {
  if (auto file = stray(path)) list.push_back(std::move(*file));
}

class RepoScan {
 public:
  explicit RepoScan(ScannedRepo& repo) : repo_(repo) {}

  void run() {
    read_refs();
    read_second_names();
    read_snapshots();
    read_blobs();
    read_unfinished();
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    repo_.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  std::string below(const fs::path& path) const { return path.lexically_relative(repo_.folder).string(); }

  void read_refs() {
    const fs::path refs = repo_.folder / "refs";
    std::error_code none;
    for (fs::recursive_directory_iterator it(refs, none), end; !none && it != end; it.increment(none)) {
      std::error_code no_type;
      if (it->is_directory(no_type) || is_helper_file(it->path().filename().string())) continue;
      std::string text;
      try {
        text = read_file(it->path(), 4096);
      } catch (const Error& error) {
        problem("{}", error.message());
        continue;
      }
      const std::string name = it->path().lexically_relative(refs).generic_string();
      if (!hub::is_commit(text)) {
        problem("refs/{} does not hold 40 hex digits and nothing else", name);
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
          text.pop_back();
        }
        if (!hub::is_commit(text)) continue;
      }
      refs_[text].push_back(name);
    }
  }

  // Without links a file of a snapshot may be a second name of its blob.
  void read_second_names() {
    for (const auto& entry : entries(repo_.folder / "blobs")) {
      struct stat info{};
      if (::lstat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink > 1) {
        blobs_[{info.st_dev, info.st_ino}] = entry.path();
      }
    }
  }

  void read_snapshots() {
    const fs::path snapshots = repo_.folder / "snapshots";
    std::error_code none;
    if (!fs::is_directory(snapshots, none)) problem("there is no folder snapshots");
    for (const auto& entry : entries(snapshots)) {
      const std::string name = entry.path().filename().string();
      if (is_helper_file(name)) continue;
      if (!entry.is_directory(none)) {
        problem("snapshots/{} is a file", name);
        continue;
      }
      if (!hub::is_commit(name)) {
        problem("snapshots/{} is not named by a commit", name);
        continue;
      }
      ScannedRevision revision{.commit = name, .folder = entry.path(), .refs = {}, .files = {}};
      if (const auto refs = refs_.find(name); refs != refs_.end()) {
        revision.refs = std::move(refs->second);
        std::sort(revision.refs.begin(), revision.refs.end());
        refs_.erase(refs);
      }
      read_files(entry.path(), revision, 0);
      std::sort(revision.files.begin(), revision.files.end(),
                [](const ScannedFile& a, const ScannedFile& b) { return a.name < b.name; });
      repo_.revisions.push_back(std::move(revision));
    }
    for (const auto& [commit, names] : refs_) {
      for (const std::string& name : names)
        problem("refs/{} names commit {}, which is not here", name, commit);
    }
  }

  void read_files(const fs::path& folder, ScannedRevision& revision, int depth) {
    if (depth > max_depth) {
      problem("{} lies {} folders deep", below(folder), depth);
      return;
    }
    std::error_code failed;
    for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
      const fs::path& path = it->path();
      std::error_code no_type;
      const bool link = it->is_symlink(no_type);  // as the folder says; asking further follows it
      if (!link && it->is_directory(no_type)) {
        read_files(path, revision, depth + 1);
        continue;
      }
      ScannedFile file{
          .name = path.lexically_relative(revision.folder).generic_string(), .path = path, .blob = path};
      if (link) {
        file.blob = (folder / fs::read_symlink(path, no_type)).lexically_normal();
      }
      struct stat info{};
      if (::stat(file.blob.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
        file.present = true;
        file.bytes = static_cast<std::uint64_t>(info.st_size);
        file.used = time_of(info.st_atim);
        file.modified = time_of(info.st_mtim);
        if (const auto blob = blobs_.find({info.st_dev, info.st_ino}); !link && blob != blobs_.end()) {
          file.blob = blob->second;
        }
        linked_.insert(file.blob);
      } else {
        problem("{} leads to {}, which is not there", below(path), below(file.blob));
      }
      revision.files.push_back(std::move(file));
    }
  }

  void read_blobs() {
    for (const auto& entry : entries(repo_.folder / "blobs")) {
      const std::string name = entry.path().filename().string();
      if (is_helper_file(name) || linked_.contains(entry.path())) continue;
      const bool partial = entry.path().extension() == ".incomplete" ||
                           entry.path().extension() == ".downloadInProgress" || name.ends_with(".shared");
      add_stray(partial ? repo_.partials : repo_.orphans, entry.path());
    }
  }

  void read_unfinished() {
    for (const auto& entry : entries(repo_.folder / ".pome")) {
      const fs::path blob = repo_.folder / "blobs" / entry.path().stem();
      std::error_code none;
      if (entry.path().extension() == ".states" && fs::exists(blob, none)) continue;  // of a whole file
      const bool gone = entry.path().filename().string().starts_with(gone_prefix);
      add_stray(gone ? repo_.orphans : repo_.partials, entry.path());
    }
  }

  ScannedRepo& repo_;
  std::map<std::string, std::vector<std::string>> refs_;
  std::set<fs::path> linked_;
  std::map<std::pair<dev_t, ino_t>, fs::path> blobs_;  // that have further names
};

template <class Files, class Member>
Time latest(const Files& files, Member member) {
  Time time{};
  for (const auto& file : files) time = std::max(time, file.*member);
  return time;
}

void add_blobs(const ScannedRevision& revision, std::map<fs::path, std::uint64_t>& blobs) {
  for (const ScannedFile& file : revision.files) blobs[file.blob] = file.bytes;
}

std::uint64_t sum(const std::map<fs::path, std::uint64_t>& blobs) {
  std::uint64_t bytes = 0;
  for (const auto& [path, size] : blobs) bytes += size;
  return bytes;
}

void scan_locks(CacheScan& scan) {
  for (const auto& entry : entries(scan.root / ".locks")) {
    if (is_deleted_repo(entry.path())) add_stray(scan.orphans, entry.path());
  }
}

void scan_shared(CacheScan& scan) {
  for (const fs::path& content : all_shared_blobs(scan.root)) {
    const auto references = shared_references(scan.root, content);
    if (references && references->empty()) add_stray(scan.orphans, content);
  }
}

// The type and id that a folder's name stands for.
std::optional<std::pair<std::string, std::string>> repo_name(const std::string& folder) {
  for (const std::string_view type : {"model", "dataset", "space"}) {
    const std::string prefix = std::string(type) + "s--";
    if (!folder.starts_with(prefix)) continue;
    if (const auto id = repo_id("models--" + folder.substr(prefix.size())))
      return std::pair(std::string(type), *id);
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t ScannedRevision::bytes() const {
  std::map<fs::path, std::uint64_t> blobs;
  add_blobs(*this, blobs);
  return sum(blobs);
}

Time ScannedRevision::used() const { return latest(files, &ScannedFile::used); }
Time ScannedRevision::modified() const { return latest(files, &ScannedFile::modified); }

std::uint64_t ScannedRepo::bytes() const {
  std::map<fs::path, std::uint64_t> blobs;
  for (const ScannedRevision& revision : revisions) add_blobs(revision, blobs);
  return sum(blobs);
}

Time ScannedRepo::used() const {
  Time time{};
  for (const ScannedRevision& revision : revisions) time = std::max(time, revision.used());
  return time;
}

const ScannedRevision* ScannedRepo::at(std::string_view ref_or_commit) const {
  for (const ScannedRevision& revision : revisions) {
    if (revision.commit == ref_or_commit ||
        std::find(revision.refs.begin(), revision.refs.end(), ref_or_commit) != revision.refs.end()) {
      return &revision;
    }
  }
  return nullptr;
}

const ScannedRepo* CacheScan::find(std::string_view id) const {
  for (const ScannedRepo& repo : repos) {
    if (repo.type == "model" && repo.id == id) return &repo;
  }
  return nullptr;
}

ScannedRepo scan_repo(const fs::path& folder) {
  ScannedRepo repo;
  repo.folder = folder;
  if (auto name = repo_name(folder.filename().string())) std::tie(repo.type, repo.id) = std::move(*name);
  RepoScan(repo).run();
  return repo;
}

CacheScan scan_cache(const fs::path& root) {
  CacheScan scan;
  scan.root = root;
  std::error_code failed;
  if (!fs::exists(root, failed)) return scan;
  fs::directory_iterator it(root, failed);
  if (failed) fail(ErrorKind::refused, "{}: cannot read the cache: {}", root.string(), failed.message());
  for (const fs::directory_iterator end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    std::error_code no_type;
    if (name == ".locks" || name == "CACHEDIR.TAG" || is_helper_file(name)) continue;
    if (name == "blobs" && has_shared_blobs(root)) continue;
    if (!it->is_directory(no_type) || !repo_name(name)) {
      scan.problems.push_back(name == "blobs"
                                  ? "blobs is not marked as huggingface_hub's store, so nobody uses it"
                                  : fmt::format("{} is no repository; other clients warn of it", name));
      continue;
    }
    scan.repos.push_back(scan_repo(it->path()));
  }
  std::sort(scan.repos.begin(), scan.repos.end(), [](const ScannedRepo& a, const ScannedRepo& b) {
    return std::tie(a.type, a.id) < std::tie(b.type, b.id);
  });
  std::sort(scan.problems.begin(), scan.problems.end());
  scan_locks(scan);
  scan_shared(scan);
  return scan;
}

bool is_deleted_repo(const fs::path& folder) {
  return folder.filename().string().starts_with(gone_prefix) && folder.parent_path().filename() == ".locks";
}

fs::path deleted_repo(const fs::path& cache, const fs::path& folder) {
  return cache / ".locks" / (std::string(gone_prefix) + folder.filename().string());
}

}  // namespace pome::store
