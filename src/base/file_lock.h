// A lock between processes that is gone when its process is, however that ended.
#pragma once

#include <functional>
#include <optional>

#include "base/file.h"

namespace pome {

// flock(2) on a file that stays where it is, as Python's filelock has it, so that other programs may hold the
// same lock. Best effort: a file system without locks gives everybody one. Movable, not thread-safe.
class FileLock {
 public:
  enum class Mode { exclusive, shared };

  // Nothing where somebody else holds it. Creates the file, never follows a link at its place. Throws Error:
  // not_found (no such folder), refused, internal.
  static std::optional<FileLock> try_lock(const fs::path& file, Mode mode = Mode::exclusive);

  // Asks again ten times a second; wait() returning false gives up, and so does an Error thrown by it.
  static std::optional<FileLock> lock(const fs::path& file, const std::function<bool()>& wait);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace pome
