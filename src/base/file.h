// Files as bytes: read whole, mapped, written so that a reader sees the old content or the new, never half.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pome {

namespace fs = std::filesystem;

// path as one word of a shell's command line, quoted where it has to be: for hints.
std::string shell_word(const fs::path& path);

// Reads a regular file of at most max_bytes. Throws Error: not_found, resource (too large), internal (read
// failed).
std::string read_file(const fs::path& path, std::size_t max_bytes = std::size_t{64} << 20);

// A file that appears under its name only when it is complete: written beside it, then fsync, rename, fsync
// of the folder. Destroyed without commit it leaves the old file, if there was one, and no trace of the new.
// A symbolic link stays, its target gets the content; a device or pipe is written to, never replaced.
// Throws Error: resource (disk full), refused (permissions), not_found (no such folder), usage (a folder has
// the name), internal.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();  // once, last

 private:
  [[noreturn]] void fail_write(std::string_view what) const;

  fs::path path_;
  std::string temporary_;  // empty once it has its name, and for what is no regular file
  int fd_ = -1;
};

// AtomicFile in one call.
void write_file_atomic(const fs::path& path, std::string_view content);

// A whole file mapped read-only and shared; pages come from the page cache and are shared between processes.
// Immutable and thread-safe; views stay valid while any shared_ptr to it lives.
class MappedFile {
 public:
  // Throws Error: not_found, refused (permissions), unsupported (not a regular file), internal.
  static std::shared_ptr<const MappedFile> open(const fs::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const fs::path& path() const { return path_; }

 private:
  MappedFile(fs::path path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  fs::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace pome
