#include "store/shared_blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/environment.h"
#include "base/error.h"
#include "base/system_error.h"
#include "hub/names.h"

namespace pome::store {
namespace {

constexpr std::string_view marker_name = ".huggingface-shared-blobs";
constexpr std::string_view marker_text = "1\n";

std::optional<struct stat> own_stat(const fs::path& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

bool is_regular(const fs::path& path) {
  const auto info = own_stat(path);
  return info && S_ISREG(info->st_mode);
}
bool is_folder(const fs::path& path) {
  const auto info = own_stat(path);
  return info && S_ISDIR(info->st_mode);
}

fs::path beside(const fs::path& content, std::string_view ending) {
  return content.parent_path() / (content.filename().string() + std::string(ending));
}

mode_t cache_mode(const fs::path& cache) {
  struct stat info{};
  return ::stat(cache.c_str(), &info) == 0 ? info.st_mode : 0700;
}

// Read-only for everybody who may pass through the cache's folder.
mode_t content_mode(const fs::path& cache) {
  const mode_t mode = cache_mode(cache);
  return 0400 | (mode & S_IXGRP ? 0040 : 0) | (mode & S_IXOTH ? 0004 : 0);
}

// With the access and inheritance bits of the cache's own folder.
bool make_folder(const fs::path& cache, const fs::path& folder) {
  std::error_code failed;
  if (fs::create_directory(folder, failed)) {
    ::chmod(folder.c_str(), cache_mode(cache) & (0777 | S_ISGID | S_ISVTX));
  }
  return is_folder(folder);
}

// Makes the store, or finds it; a folder with something else in it stays what it is.
bool ensure_store(const CachedRepo& repo) {
  const fs::path& cache = repo.cache();
  if (has_shared_blobs(cache)) return true;
  const fs::path store = cache / "blobs";
  if (!make_folder(cache, store)) return false;
  std::error_code failed;
  if (!fs::is_empty(store, failed) || failed) return has_shared_blobs(cache);
  repo.put_file(store / marker_name, marker_text);
  ::chmod((store / marker_name).c_str(), content_mode(cache));
  return has_shared_blobs(cache);
}

// Runs `change` under the lock of this content; others of a shared cache must be able to take it too.
template <class Change>
auto with_lock(const fs::path& content, Change change) {
  const fs::path file = beside(content, ".lock");
  const auto lock = FileLock::lock(file, [] { return true; });
  ::chmod(file.c_str(), 0666);
  return change();
}

std::string reference_line(const CachedRepo& repo, std::string_view etag) {
  return fmt::format("{}/blobs/{}\n", repo.folder().filename().string(), etag);
}

// On disk before the link appears, or the content could be swept from under it.
void append_reference(const fs::path& content, const std::string& line) {
  const fs::path file = beside(content, ".refs");
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) fail_errno(file, "cannot open");
  ::fchmod(fd, 0666);
  const bool written =
      ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
  const int code = errno;
  ::close(fd);
  if (!written) {
    errno = code;
    fail_errno(file, "cannot write");
  }
}

bool is_usable(const fs::path& content, std::uint64_t size_bytes) {
  const auto info = own_stat(content);
  return info && S_ISREG(info->st_mode) && static_cast<std::uint64_t>(info->st_size) == size_bytes &&
         ::access(content.c_str(), R_OK) == 0;
}

void link_to(const CachedRepo& repo, std::string_view etag, const fs::path& content) {
  const fs::path blob = repo.blob(etag);
  repo.put_link(blob, content.lexically_relative(blob.parent_path()));
}

}  // namespace

bool shared_blobs_enabled() {
  return symlinks_enabled() && !environment_flag("HF_HUB_DISABLE_SHARED_BLOBS") &&
         !environment_flag("HF_HUB_DISABLE_XET");
}

bool has_shared_blobs(const fs::path& cache) {
  const fs::path marker = cache / "blobs" / marker_name;
  if (!is_folder(cache / "blobs") || !is_regular(marker)) return false;
  try {
    return read_file(marker, 64) == marker_text;
  } catch (const Error&) {
    return false;
  }
}

fs::path shared_blob(const fs::path& cache, std::string_view xet_hash) {
  if (!hub::is_sha256(xet_hash)) {
    fail(ErrorKind::corrupt, "\"{}\" cannot be a Xet hash: expected 64 hex digits", xet_hash.substr(0, 200));
  }
  return cache / "blobs" / xet_hash.substr(0, 2) / xet_hash;
}

std::optional<fs::path> shared_target(const fs::path& cache, const fs::path& blob) {
  std::error_code none;
  const fs::path target = fs::read_symlink(blob, none);
  if (none || target.empty()) return std::nullopt;
  const fs::path absolute =
      target.is_absolute() ? target : fs::absolute(blob.parent_path() / target).lexically_normal();
  const std::string name = absolute.filename().string();
  if (!hub::is_sha256(name) || absolute != fs::absolute(shared_blob(cache, name)).lexically_normal()) {
    return std::nullopt;
  }
  return shared_blob(cache, name);
}

std::vector<fs::path> all_shared_blobs(const fs::path& cache) {
  std::vector<fs::path> result;
  if (!has_shared_blobs(cache)) return result;
  std::error_code none;
  for (fs::directory_iterator folder(cache / "blobs", none), end; !none && folder != end;
       folder.increment(none)) {
    const std::string prefix = folder->path().filename().string();
    if (prefix.size() != 2 || !hub::is_lower_hex(prefix) || !is_folder(folder->path())) continue;
    std::error_code inner;
    for (fs::directory_iterator file(folder->path(), inner); !inner && file != end; file.increment(inner)) {
      const std::string name = file->path().filename().string();
      if (hub::is_sha256(name) && name.starts_with(prefix) && is_regular(file->path())) {
        result.push_back(file->path());
      }
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

bool link_shared_blob(const CachedRepo& repo, std::string_view etag, std::string_view xet_hash,
                      std::uint64_t size_bytes) {
  const fs::path content = shared_blob(repo.cache(), xet_hash);
  if (!has_shared_blobs(repo.cache()) || !is_usable(content, size_bytes)) return false;
  return with_lock(content, [&] {
    if (!is_usable(content, size_bytes)) return false;
    append_reference(content, reference_line(repo, etag));
    link_to(repo, etag, content);
    return true;
  });
}

bool publish_shared_blob(const CachedRepo& repo, std::string_view etag, std::string_view xet_hash,
                         std::uint64_t size_bytes) {
  const fs::path blob = repo.blob(etag), content = shared_blob(repo.cache(), xet_hash);
  try {
    if (!ensure_store(repo) || !make_folder(repo.cache(), content.parent_path())) return false;
    return with_lock(content, [&] {
      const auto info = own_stat(blob);
      if (!info || !S_ISREG(info->st_mode) || static_cast<std::uint64_t>(info->st_size) != size_bytes)
        return false;
      append_reference(content, reference_line(repo, etag));
      // By a second name first: whenever this ends, the blob leads to the content.
      const fs::path made = repo.temporary();
      std::error_code failed;
      fs::create_hard_link(blob, made, failed);
      if (failed) return false;
      ::chmod(made.c_str(), content_mode(repo.cache()));
      fs::rename(made, content, failed);
      if (failed) {
        fs::remove(made, failed);
        return false;
      }
      link_to(repo, etag, content);
      return true;
    });
  } catch (const Error&) {
    return false;  // the blob itself serves as well
  }
}

std::optional<std::vector<fs::path>> shared_references(const fs::path& cache, const fs::path& content) {
  const fs::path file = beside(content, ".refs");
  if (!is_regular(file)) return std::nullopt;
  std::string text;
  try {
    text = read_file(file);
  } catch (const Error&) {
    return std::nullopt;
  }
  std::vector<fs::path> result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const fs::path line = text.substr(at, end - at);
    at = end + 1;
    const auto parts = std::distance(line.begin(), line.end());
    if (parts != 3 || line.is_absolute() || *std::next(line.begin()) != "blobs" ||
        line.begin()->string().find("--") == std::string::npos || line.filename() == "..") {
      continue;
    }
    if (shared_target(cache, cache / line) == content) result.push_back(cache / line);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

std::uint64_t sweep_shared_blob(const fs::path& cache, const fs::path& content) {
  if (!has_shared_blobs(cache) || !hub::is_sha256(content.filename().string()) ||
      content != shared_blob(cache, content.filename().string())) {
    return 0;
  }
  return with_lock(content, [&]() -> std::uint64_t {
    const auto references = shared_references(cache, content);
    if (!references) return 0;
    const fs::path file = beside(content, ".refs");
    if (!references->empty()) {
      std::string text;
      for (const fs::path& link : *references) text += link.lexically_relative(cache).generic_string() + "\n";
      write_file_atomic(file, text);
      ::chmod(file.c_str(), 0666);
      return 0;
    }
    const auto info = own_stat(content);
    if (!info || !S_ISREG(info->st_mode) || ::unlink(content.c_str()) != 0) return 0;
    ::unlink(file.c_str());
    return static_cast<std::uint64_t>(info->st_size);
  });
}

}  // namespace pome::store
