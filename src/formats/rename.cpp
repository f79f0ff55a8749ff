#include "formats/rename.h"

namespace pome::formats {

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  return name.size() >= before.size() + after.size() && name.starts_with(before) && name.ends_with(after);
}

TensorTable apply_renames(const TensorTable& tensors, std::span<const Rename> table,
                          std::vector<std::string>& dropped) {
  TensorTable renamed(tensors.source());
  for (Tensor tensor : tensors) {
    bool kept = true;
    for (const Rename& row : table) {
      switch (row.kind) {
        case Rename::Kind::drop:
          kept = kept && !matches(row.pattern, tensor.name);
          break;
        case Rename::Kind::prefix:
          if (tensor.name.starts_with(row.pattern)) {
            tensor.name = std::string(row.to) + tensor.name.substr(row.pattern.size());
          }
          break;
      }
    }
    if (kept) {
      renamed.add(std::move(tensor));
    } else {
      dropped.push_back(tensor.name);
    }
  }
  return renamed;
}

}  // namespace pome::formats
