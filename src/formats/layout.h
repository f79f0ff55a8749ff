// The tensors of a model in the layout that MLX repositories have, whatever their files look like: a table of
// formats/rename.h applied to the tensors of files. Each becomes a Recipe; no byte is read here.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/recipe.h"
#include "formats/rename.h"

namespace pome::formats {

// Whether norms and factors that are published apart are brought into the weights (Rename::Kind::add_one and
// scale): MLX's files have them there, a running model rather computes with them than with a copy.
enum class Folds : std::uint8_t { apart, folded };

class Layout {
 public:
  // Works off `table` on every tensor of `files`; `config` is what keys, factors and conditions are read
  // from. Throws Error(corrupt) where two tensors end up with one name, a stack has gaps or unequal parts, or
  // a tensor does not have the shape that its row is about.
  Layout(const TensorTable& files, std::span<const Rename> table, const Json& config,
         Folds folds = Folds::apart);

  const std::string& source() const { return source_; }  // names the file or folder in errors
  const Recipe* find(std::string_view name) const;       // nullptr where there is none
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  std::size_t size() const { return recipes_.size(); }
  std::vector<Recipe>::const_iterator begin() const { return recipes_.begin(); }
  std::vector<Recipe>::const_iterator end() const { return recipes_.end(); }

  // Names in the files of what the table drops.
  const std::vector<std::string>& dropped() const { return dropped_; }

  // Whether the table's folds apply: some convolution's taps are not in MLX's order.
  bool published() const { return published_; }

  void remove(const std::set<std::string, std::less<>>& names);

 private:
  struct Item {
    Recipe recipe;
    std::int64_t number = -1;  // of a part of a stack
  };
  std::vector<Item> worked_off(const Tensor& tensor, std::span<const Rename> rows, const Json& config,
                               const TensorTable& files);
  void add(Item item);
  void close_stacks();

  std::string source_;
  std::vector<Recipe> recipes_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::map<std::size_t, std::map<std::int64_t, Tensor>> stacks_;  // while tensors are added
  std::vector<std::string> dropped_;
  bool published_ = false;
};

}  // namespace pome::formats
