#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/system_error.h"

namespace pome {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct OpenFile {
  Descriptor fd;
  std::size_t size_bytes;
};

// O_NONBLOCK keeps a FIFO in a model folder from hanging us before fstat can refuse it.
OpenFile open_regular(const fs::path& path) {
  OpenFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), 0};
  if (file.fd.get() < 0) fail_errno(path, "cannot open");
  struct stat info{};
  if (::fstat(file.fd.get(), &info) != 0) fail_errno(path, "cannot stat");
  if (!S_ISREG(info.st_mode)) fail(ErrorKind::unsupported, "{}: not a regular file", path.string());
  file.size_bytes = static_cast<std::size_t>(info.st_size);
  return file;
}

void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (fd.get() >= 0) ::fsync(fd.get());  // best effort: some file systems refuse it for folders
}

}  // namespace

std::string shell_word(const fs::path& path) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./+=:@,%";
  const std::string text = path.string();
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  const OpenFile file = open_regular(path);
  if (file.size_bytes > max_bytes) {
    fail(ErrorKind::resource, "{}: {} bytes, at most {} are read", path.string(), file.size_bytes, max_bytes);
  }
  std::string content(file.size_bytes, '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::read(file.fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "cannot read");
    if (n == 0) break;  // truncated meanwhile: what is there is the content
    done += static_cast<std::size_t>(n);
  }
  content.resize(done);
  return content;
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  struct stat info{};
  if (::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    if (S_ISDIR(info.st_mode)) fail(ErrorKind::usage, "{}: a folder, expected a file", path_.string());
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail_write("cannot open");
    return;
  }
  std::error_code none;
  if (fs::is_symlink(path_, none)) {
    if (fs::path target = fs::canonical(path_, none); !none) path_ = std::move(target);
  }
  temporary_ = path_.string() + ".XXXXXX";
  fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0) fail_write("cannot create");
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_write(std::string_view what) const { fail_errno(path_, what); }

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // macOS refuses more than INT_MAX at once.
    const ssize_t n = ::write(fd_, bytes.data(), std::min(bytes.size(), std::size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write("cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  if (temporary_.empty()) return;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd_, 0666 & ~mask);  // mkostemp made it 0600
  if (::fsync(fd_) != 0) fail_write("cannot write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write("cannot replace");
  temporary_.clear();
  sync_folder(path_.parent_path());
}

void write_file_atomic(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const OpenFile file = open_regular(path);
  std::span<const std::byte> bytes;
  if (file.size_bytes > 0) {  // mmap refuses a length of zero
    void* start = ::mmap(nullptr, file.size_bytes, PROT_READ, MAP_SHARED, file.fd.get(), 0);
    if (start == MAP_FAILED) fail_errno(path, "cannot map");
    bytes = {static_cast<const std::byte*>(start), file.size_bytes};
#ifdef MADV_HUGEPAGE
    // What is not in the page cache yet is read into pages of 2 MiB, where the file system has them: threads
    // that read here and there would leave a fifth of a file in pages of 4 KiB. Best effort.
    ::madvise(start, file.size_bytes, MADV_HUGEPAGE);
#endif
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace pome
