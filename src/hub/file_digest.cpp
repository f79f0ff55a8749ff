#include "hub/file_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "base/error.h"
#include "base/system_error.h"
#include "hub/digest.h"

namespace pome::hub {

bool content_matches(const fs::path& file, const std::string& etag, std::uint64_t size_bytes,
                     const std::function<bool()>& cancelled, std::atomic<std::uint64_t>* read_bytes) {
  const auto kind = digest_kind(etag);
  if (!kind) fail(ErrorKind::corrupt, "\"{}\" is no digest", etag.substr(0, 100));
  struct Descriptor {
    int fd;
    ~Descriptor() {
      if (fd >= 0) ::close(fd);
    }
  } const in{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (in.fd < 0) fail_errno(file, "cannot open");
  struct stat info{};
  if (::fstat(in.fd, &info) != 0) fail_errno(file, "cannot stat");
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != size_bytes) return false;

  Digest digest(*kind, size_bytes);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  while (true) {
    if (cancelled()) throw Error(ErrorKind::interrupted, "interrupted");
    const ssize_t n = ::read(in.fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(file, "cannot read");
    if (n == 0) return digest.position() == size_bytes && digest.finish() == etag;
    digest.update({buffer.data(), static_cast<std::size_t>(n)});
    if (read_bytes != nullptr) *read_bytes += static_cast<std::uint64_t>(n);
  }
}

}  // namespace pome::hub
