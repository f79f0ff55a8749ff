#include "text/edge.h"

#include <string>

namespace pome::text::edge {

namespace {

ErrorKind kind_of(pome_edge_kind kind) {
  switch (kind) {
    case POME_EDGE_USAGE:
    case POME_EDGE_REFUSED:
      return ErrorKind::usage;
    case POME_EDGE_CORRUPT:
      return ErrorKind::corrupt;
    case POME_EDGE_UNSUPPORTED:
      return ErrorKind::unsupported;
    case POME_EDGE_LIMIT:
      return ErrorKind::resource;
    case POME_EDGE_INTERNAL:
      return ErrorKind::internal;
  }
  return ErrorKind::internal;
}

}  // namespace

void Call::throw_error() const {
  const pome_edge_kind kind = pome_edge_error_kind(error_);
  const pome_edge_bytes text = pome_edge_error_message(error_);
  const std::string_view message(reinterpret_cast<const char*>(text.data), text.len);
  fail(kind_of(kind), "{}{}", kind == POME_EDGE_REFUSED ? "chat template refuses these messages: " : "",
       message);
}

const std::uint32_t* unsigned_ids(std::span<const std::int32_t> ids) {
  for (const std::int32_t id : ids) {
    if (id < 0) fail(ErrorKind::usage, "token id {} is negative", id);
  }
  return reinterpret_cast<const std::uint32_t*>(ids.data());
}

}  // namespace pome::text::edge
