// Layout tables: how the tensors of published checkpoints become those that MLX repositories hold, as data.
//
// A table's rows are worked off in order on every tensor of the files; each changes a name and may change
// what the tensor is. A row that does not match leaves a tensor alone, so that one table reads every layout
// of a family: rows must not match what they have made. formats/layout.h works them off.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pome::formats {

struct Rename {
  enum class Kind : std::uint8_t {
    // Names; the pattern is
    drop,     // … that of a whole name, with at most one '*': of no use
    prefix,   // … the beginning of a name, which becomes `to`
    replace,  // … the first occurrence in a name, which becomes `to`
    stack,    // … the same with a '#' for a number: tensors of one new name become a stack in its order
    // Contents; the pattern is the end of a name, which becomes `to`, or stays where that is empty.
    halves,     // rows (or `axis`) in two halves, the second becomes `second`
    alternate,  // every other row (or `axis`), beginning with the second for `second`
    split,      // each matrix behind its first config[key] rows, the rest becomes `second`
    heads,      // [n·rows, columns] → [n, rows, columns], n = config[key]; not where it is quantized
    transpose,  // the last two axes
    squeeze,    // [1] → []
    taps,       // a convolution's [channels, 1, kernel] → [channels, kernel, 1]
    words,      // U8 [..., n, 16] → U32 [..., 4·n]: MXFP4 as published, of which MLX has the same bytes
    // Folds, which a program may compute instead; for published checkpoints alone: those whose taps are not
    // in MLX's order yet.
    add_one,  // norms stored as what is added to 1
    scale,    // by factors(config), one or one per row
  };
  Kind kind = Kind::drop;
  std::string_view pattern;
  std::string_view to = {};
  std::string_view second = {};
  int axis = -2;
  std::string_view key = {};
  std::int64_t otherwise = 0;  // where the config has no such key
  std::vector<float> (*factors)(const Json& config) = nullptr;
  bool (*when)(const Json& config) = nullptr;  // the row counts for configs of which this is true
};

// One table behind another.
template <std::size_t A, std::size_t B>
constexpr std::array<Rename, A + B> joined(const std::array<Rename, A>& first,
                                           const std::array<Rename, B>& second) {
  std::array<Rename, A + B> table{};
  std::copy(first.begin(), first.end(), table.begin());
  std::copy(second.begin(), second.end(), table.begin() + A);
  return table;
}

// Whether a name matches a pattern, in which at most one '*' stands for any run of characters.
bool matches(std::string_view pattern, std::string_view name);

// A name after one row: itself where the row does not match. The rows that change contents are for Layout;
// of those with two results this is the first.
struct Renamed {
  bool matched = false;
  bool dropped = false;
  std::string name;
  std::int64_t number = -1;  // what '#' stood for
};
Renamed renamed(std::string name, const Rename& row);

// What the rows that change names alone make of one name; nothing where it is dropped.
std::optional<std::string> renamed(std::string name, std::span<const Rename> table, const Json& config);

}  // namespace pome::formats
