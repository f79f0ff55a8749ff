#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/system_error.h"

namespace pome {
namespace {

// Whether the file that was locked is still the one that others will find by its name.
bool has_name(int fd, const fs::path& file) {
  struct stat opened{}, named{};
  return ::fstat(fd, &opened) == 0 && ::lstat(file.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

std::optional<FileLock> FileLock::try_lock(const fs::path& file, Mode mode) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    constexpr int flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = ::open(file.c_str(), O_RDWR | flags, 0666);
    if (fd < 0 && errno == EACCES) fd = ::open(file.c_str(), O_RDONLY | flags, 0666);  // another user's
    if (fd < 0) fail_errno(file, "cannot lock");
    FileLock lock(fd);
    if (::flock(fd, (mode == Mode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK || errno == EACCES) return std::nullopt;
      if (errno == EINTR) continue;
      if (errno != ENOSYS && errno != ENOLCK && errno != EOPNOTSUPP) fail_errno(file, "cannot lock");
    }
    if (has_name(fd, file)) return lock;  // else somebody removed it meanwhile
  }
  return std::nullopt;
}

std::optional<FileLock> FileLock::lock(const fs::path& file, const std::function<bool()>& wait) {
  while (true) {
    if (auto lock = try_lock(file)) return lock;
    if (!wait()) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace pome
