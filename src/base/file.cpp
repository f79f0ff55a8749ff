#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace pome {
namespace {

// The kind of error that errno stands for.
ErrorKind kind_of(int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::refused;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorKind::resource;
    default:
      return ErrorKind::internal;
  }
}

[[noreturn]] void fail_errno(const fs::path& path, std::string_view what) {
  const int code = errno;
  fail(kind_of(code), "{}: {}: {}", path.string(), what, std::strerror(code));
}

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

void write_file_atomic(const fs::path& path, std::string_view content) {
  std::string temporary = path.string() + ".XXXXXX";
  const Descriptor fd(::mkstemp(temporary.data()));
  if (fd.get() < 0) fail_errno(path, "cannot create");
  const auto give_up = [&](std::string_view what) {
    const int code = errno;
    ::unlink(temporary.c_str());
    errno = code;
    fail_errno(path, what);
  };
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t n = ::write(fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) give_up("cannot write");
    done += static_cast<std::size_t>(n);
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd.get(), 0666 & ~mask);  // mkstemp made it 0600
  if (::fsync(fd.get()) != 0) give_up("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("cannot replace");
  sync_folder(path.parent_path());
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const OpenFile file = open_regular(path);
  std::span<const std::byte> bytes;
  if (file.size_bytes > 0) {  // mmap refuses a length of zero
    void* start = ::mmap(nullptr, file.size_bytes, PROT_READ, MAP_SHARED, file.fd.get(), 0);
    if (start == MAP_FAILED) fail_errno(path, "cannot map");
    bytes = {static_cast<const std::byte*>(start), file.size_bytes};
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace pome
