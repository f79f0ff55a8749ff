#include "base/system_error.h"

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace pome {

ErrorKind error_kind(int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
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

void fail_errno(const fs::path& path, std::string_view what) {
  const int code = errno;
  fail(error_kind(code), "{}: {}: {}", path.string(), what, std::strerror(code));
}

}  // namespace pome
