#include "base/error.h"

#include <array>
#include <ranges>

namespace pome {
namespace {

constexpr std::array<ErrorRow, 9> table{{
    {ErrorKind::internal, "internal", 1, 500},
    {ErrorKind::usage, "usage", 2, 400},
    {ErrorKind::not_found, "not_found", 3, 404},
    {ErrorKind::corrupt, "corrupt", 4, 500},
    {ErrorKind::unsupported, "unsupported", 5, 400},
    {ErrorKind::resource, "resource", 6, 503},
    {ErrorKind::network, "network", 7, 502},
    {ErrorKind::refused, "refused", 8, 403},
    {ErrorKind::interrupted, "interrupted", 130, 499},
}};

}  // namespace

std::span<const ErrorRow> error_table() { return table; }

const ErrorRow& error_row(ErrorKind kind) { return table.at(static_cast<std::size_t>(kind)); }

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) { compose(); }

Error& Error::with_hint(std::string hint) & {
  hint_ = std::move(hint);
  return *this;
}

Error&& Error::with_hint(std::string hint) && { return std::move(with_hint(std::move(hint))); }

Error& Error::in(std::string frame) & {
  context_.push_back(std::move(frame));
  compose();
  return *this;
}

Error&& Error::in(std::string frame) && { return std::move(in(std::move(frame))); }

void Error::compose() {
  what_.clear();
  for (const std::string& frame : std::views::reverse(context_)) what_ += frame + ": ";
  what_ += message_;
}

}  // namespace pome
