#include "services/pull_place.h"

#include <sys/stat.h>

#include <chrono>
#include <map>

#include "base/error.h"
#include "base/system_error.h"
#include "hub/file_digest.h"
#include "hub/partial.h"
#include "store/shared_blobs.h"
#include "store/tree_cache.h"

namespace pome::services {
namespace {

bool has_size(const fs::path& file, std::uint64_t size_bytes) {
  std::error_code none;
  const std::uint64_t found = fs::is_regular_file(file, none) ? fs::file_size(file, none) : size_bytes + 1;
  return !none && found == size_bytes;
}

class CachePlace : public PullPlace {
 public:
  CachePlace(const fs::path& cache, const PullRequest& request, std::string commit)
      : repo_(cache, request.id), commit_(std::move(commit)) {}

  fs::path folder() const override { return repo_.snapshot(commit_); }
  fs::path unfinished() const override { return repo_.unfinished(); }
  void create() const override { repo_.create(); }
  std::optional<FileLock> try_lock(const hub::RepoFile& file) const override {
    return repo_.try_lock(file.etag());
  }
  fs::path target(const hub::RepoFile& file) const override { return repo_.blob(file.etag()); }

  // A link of the snapshot is made for verified content only, by us.
  bool is_present(const hub::RepoFile& file) const override {
    const fs::path place = repo_.file(commit_, file.name);
    std::error_code none;
    const bool link = fs::is_symlink(place, none);
    return has_size(place, file.size_bytes) &&
           (!link || fs::read_symlink(place, none).filename() == file.etag());
  }

  bool reuse(const hub::RepoFile& file, const std::function<bool()>& cancelled) const override {
    const fs::path blob = repo_.blob(file.etag());
    if (has_size(blob, file.size_bytes) &&
        hub::content_matches(blob, file.etag(), file.size_bytes, cancelled)) {
      return true;
    }
    // Where there are no links the snapshot may have the only copy.
    const fs::path place = repo_.file(commit_, file.name);
    std::error_code none;
    const bool moved = !fs::exists(blob, none) && fs::is_regular_file(fs::symlink_status(place, none));
    if (moved && has_size(place, file.size_bytes) &&
        hub::content_matches(place, file.etag(), file.size_bytes, cancelled)) {
      return true;
    }
    if (fs::is_regular_file(moved ? place : blob, none)) {
      hub::begin_with_damaged(unfinished(), file.etag(), file.size_bytes, moved ? place : blob);
    }
    if (!is_shared(file)) return false;
    const fs::path content = store::shared_blob(repo_.cache(), file.xet_hash);
    return has_size(content, file.size_bytes) &&
           hub::content_matches(content, file.etag(), file.size_bytes, cancelled) &&
           store::link_shared_blob(repo_, file.etag(), file.xet_hash, file.size_bytes);
  }

  void fetched(const hub::RepoFile& file) const override {
    if (is_shared(file)) store::publish_shared_blob(repo_, file.etag(), file.xet_hash, file.size_bytes);
  }

  void finish(const PullPlan& plan) const override {
    std::vector<hub::RepoFile> files;
    std::map<std::string, int> users;  // of a blob, among those still to be put in place
    for (const PlannedFile& planned : plan.files) users[planned.file.etag()] += planned.present ? 0 : 1;
    for (const PlannedFile& planned : plan.files) {
      if (!planned.present) {
        const bool needed_again = --users[planned.file.etag()] > 0;
        repo_.link(commit_, planned.file.name, planned.file.etag(), needed_again);
      }
      files.push_back(planned.file);
    }
    std::error_code none;
    if (plan.all_files && !fs::exists(repo_.tree(commit_), none)) store::write_tree(repo_, commit_, files);
    repo_.write_ref(plan.request.revision.empty() ? "main" : plan.request.revision, commit_);
    repo_.remove_leftovers();
    hub::unfinished(unfinished());  // removes what belongs to no partial
  }

 private:
  static bool is_shared(const hub::RepoFile& file) {
    return !file.xet_hash.empty() && !file.sha256.empty() && store::shared_blobs_enabled();
  }

  store::CachedRepo repo_;
  std::string commit_;
};

// As huggingface_hub's --local-dir: beside the files, .cache/huggingface/download/<file>.metadata with
// commit, digest and time, which counts while the file is not newer.
class FolderPlace : public PullPlace {
 public:
  FolderPlace(fs::path folder, std::string commit) : folder_(std::move(folder)), commit_(std::move(commit)) {}

  fs::path folder() const override { return folder_; }
  fs::path unfinished() const override { return own() / "pome"; }
  fs::path target(const hub::RepoFile& file) const override { return folder_ / file.name; }

  void create() const override {
    create_folder(unfinished());
    if (std::error_code none; !fs::exists(own() / ".gitignore", none)) {
      write_file_atomic(own() / ".gitignore", "*");
    }
  }

  std::optional<FileLock> try_lock(const hub::RepoFile& file) const override {
    const fs::path lock = own() / "download" / (file.name + ".lock");
    create_folder(lock.parent_path());
    return FileLock::try_lock(lock);
  }

  bool is_present(const hub::RepoFile& file) const override {
    struct stat info{};
    if (::stat(target(file).c_str(), &info) != 0 || !has_size(target(file), file.size_bytes)) return false;
    std::string text;
    try {
      text = read_file(metadata(file), 4096);
    } catch (const Error&) {
      return false;
    }
    const std::size_t one = text.find('\n');
    const std::size_t two = one == std::string::npos ? one : text.find('\n', one + 1);
    if (two == std::string::npos) return false;
    const double noted = std::atof(text.c_str() + two + 1);
    return text.substr(one + 1, two - one - 1) == file.etag() &&
           static_cast<double>(info.st_mtime) - 1 <= noted;
  }

  bool reuse(const hub::RepoFile& file, const std::function<bool()>& cancelled) const override {
    if (!has_size(target(file), file.size_bytes) ||
        !hub::content_matches(target(file), file.etag(), file.size_bytes, cancelled)) {
      if (std::error_code none; fs::is_regular_file(target(file), none)) {
        hub::begin_with_damaged(unfinished(), file.etag(), file.size_bytes, target(file));
      }
      create_folder(target(file).parent_path());
      return false;
    }
    fetched(file);
    return true;
  }

  void fetched(const hub::RepoFile& file) const override {
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    write_file_atomic(metadata(file), fmt::format("{}\n{}\n{:.6f}\n", commit_, file.etag(), now));
  }

  void finish(const PullPlan&) const override { hub::unfinished(unfinished()); }

 private:
  static void create_folder(const fs::path& folder) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) {
      fail(error_kind(failed.value()), "{}: cannot create the folder: {}", folder.string(), failed.message());
    }
  }
  fs::path own() const { return folder_ / ".cache" / "huggingface"; }
  fs::path metadata(const hub::RepoFile& file) const {
    return own() / "download" / (file.name + ".metadata");
  }

  fs::path folder_;
  std::string commit_;
};

}  // namespace

std::unique_ptr<PullPlace> cache_place(const fs::path& cache, const PullRequest& request,
                                       const std::string& commit) {
  return std::make_unique<CachePlace>(cache, request, commit);
}

std::unique_ptr<PullPlace> folder_place(const PullRequest& request, const std::string& commit) {
  return std::make_unique<FolderPlace>(request.local_dir, commit);
}

}  // namespace pome::services
