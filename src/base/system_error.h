// Errors of the operating system as pome::Error.
#pragma once

#include <string_view>

#include "base/file.h"
#include "pome/error.h"

namespace pome {

// What errno stands for: ENOENT not_found, EACCES refused, ENOSPC resource, …; internal for the rest.
ErrorKind error_kind(int code);

// Throws "<path>: <what>: <text of errno>". Call it before anything else can change errno.
[[noreturn]] void fail_errno(const fs::path& path, std::string_view what);

}  // namespace pome
