// Rename tables: what has to happen to the tensors of a published checkpoint, as data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor.h"

namespace pome::formats {

struct Rename {
  enum class Kind : std::uint8_t {
    drop,     // tensors whose names match `pattern` are of no use
    prefix,   // names that begin with `pattern` begin with `to` instead
    replace,  // the first occurrence of `pattern` in a name becomes `to`
  };
  Kind kind = Kind::drop;
  std::string_view pattern;
  std::string_view to = {};
};

// Whether a name matches a pattern, in which at most one '*' stands for any run of characters.
bool matches(std::string_view pattern, std::string_view name);

// What the table makes of one name; nothing where it is dropped.
std::optional<std::string> renamed(std::string name, std::span<const Rename> table);

// Applies the table's rows in order to every tensor; names of dropped tensors are appended to `dropped`.
// Throws Error(corrupt) where two tensors end up with one name.
TensorTable apply_renames(const TensorTable& tensors, std::span<const Rename> table,
                          std::vector<std::string>& dropped);

}  // namespace pome::formats
