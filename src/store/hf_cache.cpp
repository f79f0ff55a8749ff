#include "store/hf_cache.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/environment.h"
#include "base/error.h"
#include "base/system_error.h"
#include "hub/names.h"

namespace pome::store {
namespace {

constexpr std::string_view prefix = "models--";
constexpr std::string_view put_prefix = "put.";

// As huggingface_hub writes it; the first line is the format's own.
constexpr std::string_view cache_tag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of model files.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

std::string_view check(bool good, std::string_view text, std::string_view what) {
  if (!good) {
    fail(ErrorKind::corrupt, "\"{}\" cannot be {}", text.substr(0, 200), what);
  }
  return text;
}

std::string_view checked_commit(std::string_view text) {
  return check(hub::is_commit(text), text, "a commit: expected 40 hex digits");
}
std::string_view checked_etag(std::string_view text) {
  return check(hub::is_blob_name(text), text, "a blob's name: expected 40 or 64 hex digits");
}
std::string_view checked_file(std::string_view text) {
  return check(hub::is_file_name(text), text, "a file of a repository");
}

void create_folders(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    fail(error_kind(failed.value()), "{}: cannot create the folder: {}", folder.string(), failed.message());
  }
}

}  // namespace

std::string repo_folder_name(std::string_view id) {
  std::string name(prefix);
  for (const char c : id) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

std::optional<std::string> repo_id(std::string_view folder_name) {
  if (!folder_name.starts_with(prefix)) return std::nullopt;
  const std::string_view rest = folder_name.substr(prefix.size());
  const std::size_t middle = rest.find("--");
  if (middle == std::string_view::npos) {
    return hub::is_repo_part(rest) ? std::optional(std::string(rest)) : std::nullopt;
  }
  const std::string_view org = rest.substr(0, middle), name = rest.substr(middle + 2);
  if (!hub::is_repo_part(org) || !hub::is_repo_part(name)) return std::nullopt;
  return fmt::format("{}/{}", org, name);
}

CachedRepo::CachedRepo(fs::path cache, std::string_view id)
    : cache_(std::move(cache)), folder_(cache_ / repo_folder_name(id)), id_(id) {
  if (repo_id(folder_.filename().string()) != id_) {
    fail(ErrorKind::usage, "\"{}\" is no repository: expected org/name", id_);
  }
}

fs::path CachedRepo::blob(std::string_view etag) const { return blobs() / checked_etag(etag); }
fs::path CachedRepo::snapshot(std::string_view commit) const { return snapshots() / checked_commit(commit); }
fs::path CachedRepo::file(std::string_view commit, std::string_view name) const {
  return snapshot(commit) / checked_file(name);
}
fs::path CachedRepo::ref(std::string_view revision) const {
  return refs() / check(hub::is_revision(revision), revision, "a revision");
}
fs::path CachedRepo::tree(std::string_view commit) const {
  return folder_ / "trees" / fmt::format("{}.json", checked_commit(commit));
}
fs::path CachedRepo::missing(std::string_view commit, std::string_view name) const {
  return folder_ / ".no_exist" / checked_commit(commit) / checked_file(name);
}
fs::path CachedRepo::lock_file(std::string_view etag) const {
  return cache_ / ".locks" / folder_.filename() / fmt::format("{}.lock", checked_etag(etag));
}

std::optional<std::string> CachedRepo::commit(std::string_view revision) const {
  std::error_code none;
  const fs::path file = ref(revision);
  if (fs::is_regular_file(file, none)) {
    std::string commit = read_file(file, 4096);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' ')) {
      commit.pop_back();
    }
    if (!hub::is_commit(commit)) {
      fail(ErrorKind::corrupt, "{}: expected a commit of 40 hex digits", file.string());
    }
    return commit;
  }
  if (hub::is_commit(revision) && fs::is_directory(snapshot(revision), none)) return std::string(revision);
  return std::nullopt;
}

void CachedRepo::create() const {
  for (const fs::path& folder : {blobs(), snapshots(), refs(), unfinished()}) create_folders(folder);
  const fs::path tag = cache_ / "CACHEDIR.TAG";
  std::error_code none;
  if (!fs::exists(tag, none)) put_file(tag, cache_tag);
}

bool symlinks_enabled() { return !environment_flag("HF_HUB_DISABLE_SYMLINKS"); }

void CachedRepo::link(std::string_view commit, std::string_view name, std::string_view etag,
                      bool needed_again) const {
  const fs::path content = blob(etag), place = file(commit, name);
  std::error_code none;
  if (!fs::exists(content, none)) {
    if (fs::is_regular_file(fs::symlink_status(place, none))) return;  // moved there
    fail(ErrorKind::internal, "{}: not there, so {} cannot be linked to it", content.string(), name);
  }
  create_folders(place.parent_path());
  if (symlinks_enabled()) {
    try {
      put_link(place, content.lexically_relative(place.parent_path()));
      return;
    } catch (const Error&) {
      // A file system without such links.
    }
  }
  create_folders(unfinished());
  const fs::path made = temporary();
  std::error_code failed = std::make_error_code(std::errc::operation_not_supported);
  const bool own = fs::is_regular_file(fs::symlink_status(content, none));  // not in the shared store
  if (own) fs::create_hard_link(content, made, failed);
  const bool move = failed && own && !needed_again;
  if (failed && !move) {
    fs::remove(made, none);
    fs::copy_file(content, made, failed);
  }
  if (move || !failed) fs::rename(move ? content : made, place, failed);
  if (!move) fs::remove(made, none);  // still there where both were names of one file
  if (failed) {
    fs::remove(made, none);
    fail(error_kind(failed.value()), "{}: cannot create: {}", place.string(), failed.message());
  }
}

void CachedRepo::write_ref(std::string_view revision, std::string_view commit) const {
  if (revision == checked_commit(commit)) return;
  const fs::path file = ref(revision);
  std::error_code none;
  if (fs::exists(file, none) && read_file(file, 4096) == commit) return;
  put_file(file, commit);
}

std::optional<FileLock> CachedRepo::try_lock(std::string_view etag) const {
  const fs::path file = lock_file(etag);
  create_folders(file.parent_path());
  return FileLock::try_lock(file);
}

// ".pome/put.<process>.<number>"
fs::path CachedRepo::temporary() const {
  static std::atomic<unsigned> number = 0;
  return unfinished() / fmt::format("{}{}.{}", put_prefix, ::getpid(), ++number);
}

void CachedRepo::put_file(const fs::path& place, std::string_view content) const {
  create_folders(unfinished());
  create_folders(place.parent_path());
  const fs::path made = temporary();
  write_file_atomic(made, content);
  if (::rename(made.c_str(), place.c_str()) != 0) {
    const int code = errno;
    ::unlink(made.c_str());
    errno = code;
    fail_errno(place, "cannot write");
  }
}

void CachedRepo::put_link(const fs::path& place, const fs::path& target) const {
  create_folders(unfinished());
  create_folders(place.parent_path());
  const fs::path made = temporary();
  ::unlink(made.c_str());
  if (::symlink(target.c_str(), made.c_str()) != 0) fail_errno(place, "cannot link");
  if (::rename(made.c_str(), place.c_str()) != 0) {
    const int code = errno;
    ::unlink(made.c_str());
    errno = code;
    fail_errno(place, "cannot link");
  }
}

void CachedRepo::remove_leftovers() const {
  std::error_code none;
  for (fs::directory_iterator it(unfinished(), none), end; !none && it != end; it.increment(none)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(put_prefix)) continue;
    const int process = std::atoi(name.c_str() + put_prefix.size());
    std::error_code ignored;
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) fs::remove(it->path(), ignored);
  }
}

}  // namespace pome::store
