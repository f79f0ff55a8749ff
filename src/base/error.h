// Short ways to throw pome::Error (include/pome/error.h).
#pragma once

#include <fmt/format.h>

#include <utility>

#include "pome/error.h"

namespace pome {

// An Error with a formatted message, to be thrown as it is or after .with_hint(…).
template <class... Args>
Error error(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace pome
