#include "formats/rename.h"

namespace pome::formats {

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  return name.size() >= before.size() + after.size() && name.starts_with(before) && name.ends_with(after);
}

std::optional<std::string> renamed(std::string name, std::span<const Rename> table) {
  for (const Rename& row : table) {
    switch (row.kind) {
      case Rename::Kind::drop:
        if (matches(row.pattern, name)) return std::nullopt;
        break;
      case Rename::Kind::prefix:
        if (name.starts_with(row.pattern)) name = std::string(row.to) + name.substr(row.pattern.size());
        break;
      case Rename::Kind::replace:
        if (const auto at = name.find(row.pattern); at != std::string::npos) {
          name.replace(at, row.pattern.size(), row.to);
        }
        break;
    }
  }
  return name;
}

TensorTable apply_renames(const TensorTable& tensors, std::span<const Rename> table,
                          std::vector<std::string>& dropped) {
  TensorTable result(tensors.source());
  for (Tensor tensor : tensors) {
    if (auto name = renamed(tensor.name, table)) {
      tensor.name = std::move(*name);
      result.add(std::move(tensor));
    } else {
      dropped.push_back(tensor.name);
    }
  }
  return result;
}

}  // namespace pome::formats
