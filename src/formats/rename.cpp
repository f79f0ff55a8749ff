#include "formats/rename.h"

#include <algorithm>
#include <charconv>

namespace pome::formats {
namespace {

// Where a pattern with one '#' occurs in `name`, and the number there.
struct Numbered {
  std::size_t at = 0;
  std::size_t size = 0;
  std::int64_t number = 0;
};

std::optional<Numbered> find_numbered(std::string_view pattern, std::string_view name) {
  constexpr std::size_t most_digits = 6;
  const std::size_t hash = pattern.find('#');
  const std::string_view before = pattern.substr(0, hash), after = pattern.substr(hash + 1);
  for (std::size_t at = name.find(before); at != std::string_view::npos; at = name.find(before, at + 1)) {
    const std::string_view rest = name.substr(at + before.size());
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0 || digits > most_digits || !rest.substr(digits).starts_with(after)) continue;
    Numbered found{.at = at, .size = before.size() + digits + after.size(), .number = 0};
    std::from_chars(rest.data(), rest.data() + digits, found.number);
    return found;
  }
  return std::nullopt;
}

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  return name.size() >= before.size() + after.size() && name.starts_with(before) && name.ends_with(after);
}

Renamed renamed(std::string name, const Rename& row) {
  Renamed result{.name = std::move(name)};
  std::string& n = result.name;
  switch (row.kind) {
    case Rename::Kind::drop:
      result.matched = result.dropped = matches(row.pattern, n);
      break;
    case Rename::Kind::prefix:
      result.matched = n.starts_with(row.pattern);
      if (result.matched) n.replace(0, row.pattern.size(), row.to);
      break;
    case Rename::Kind::replace:
      if (const auto at = n.find(row.pattern); at != std::string::npos) {
        result.matched = true;
        n.replace(at, row.pattern.size(), row.to);
      }
      break;
    case Rename::Kind::stack:
      if (const auto found = find_numbered(row.pattern, n)) {
        result.matched = true;
        result.number = found->number;
        n.replace(found->at, found->size, row.to);
      }
      break;
    default:
      result.matched = n.ends_with(row.pattern);
      if (result.matched && !row.to.empty()) {
        n.resize(n.size() - row.pattern.size());
        n += row.to;
      }
  }
  return result;
}

std::optional<std::string> renamed(std::string name, std::span<const Rename> table, const Json& config) {
  for (const Rename& row : table) {
    if (row.kind > Rename::Kind::stack || (row.when != nullptr && !row.when(config))) continue;
    Renamed result = renamed(std::move(name), row);
    if (result.dropped) return std::nullopt;
    name = std::move(result.name);
  }
  return name;
}

}  // namespace pome::formats
