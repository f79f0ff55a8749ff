#include "formats/layout.h"

#include <algorithm>

#include "base/error.h"

namespace pome::formats {
namespace {

using Kind = Rename::Kind;

bool is_fold(Kind kind) { return kind == Kind::add_one || kind == Kind::scale; }

bool is_quantized(const Tensor& tensor, const TensorTable& files) {
  constexpr std::string_view weight = ".weight";
  const std::string_view name = tensor.name;
  return name.ends_with(weight) &&
         files.contains(std::string(name.substr(0, name.size() - weight.size())) + ".scales");
}

bool has_published_taps(const TensorTable& files, std::span<const Rename> table) {
  return std::any_of(files.begin(), files.end(), [&](const Tensor& tensor) {
    return tensor.shape.size() == 3 && tensor.shape[2] != 1 &&
           std::any_of(table.begin(), table.end(), [&](const Rename& row) {
             return row.kind == Kind::taps && tensor.name.ends_with(row.pattern);
           });
  });
}

[[noreturn]] void refuse_shape(const Recipe& recipe, std::string_view expected) {
  const Tensor& tensor = recipe.sources.front();
  fail(ErrorKind::corrupt, "{}: tensor {} is {} {}, expected {}", tensor.file, shown_name(tensor.name),
       dtype_name(tensor.dtype), tensor.shape_text(), expected);
}

std::int64_t number_in(const Json& config, const Rename& row) {
  const auto number = json_value<std::int64_t>(config, row.key, row.otherwise);
  if (number <= 0 || number > 1 << 24) fail(ErrorKind::corrupt, "config.json: {} is {}", row.key, number);
  return number;
}

// What is left of `recipe` becomes the row's first result, the returned recipe its second.
Recipe part(Recipe& recipe, const Rename& row, std::int64_t count_of_first, std::int64_t stride) {
  Recipe second = recipe;
  const auto back = static_cast<std::size_t>(-row.axis);
  const std::int64_t size = recipe.shape[recipe.shape.size() - back];
  add_step(recipe, {.kind = Step::Kind::take, .axis = row.axis, .stride = stride, .count = count_of_first});
  add_step(second, {.kind = Step::Kind::take,
                    .axis = row.axis,
                    .first = stride > 1 ? 1 : count_of_first,
                    .stride = stride,
                    .count = size - count_of_first});
  return second;
}

std::int64_t size_of(const Recipe& recipe, int axis) {
  const auto back = static_cast<std::size_t>(-axis);
  if (back > recipe.shape.size()) refuse_shape(recipe, fmt::format("{} axes or more", back));
  return recipe.shape[recipe.shape.size() - back];
}

void view_as(Recipe& recipe, Dtype dtype, std::vector<std::int64_t> shape) {
  add_step(recipe, {.kind = Step::Kind::view, .dtype = dtype, .shape = std::move(shape)});
}

// Applies a row that matches and changes contents; the second result where it has two.
std::optional<Recipe> apply(Recipe& recipe, const Rename& row, const Json& config) {
  const std::vector<std::int64_t> shape = recipe.shape;
  switch (row.kind) {
    case Kind::halves: {
      const std::int64_t size = size_of(recipe, row.axis);
      if (size % 2 != 0) refuse_shape(recipe, "two equal halves");
      return part(recipe, row, size / 2, 1);
    }
    case Kind::alternate: {
      const std::int64_t size = size_of(recipe, row.axis);
      if (size % 2 != 0) refuse_shape(recipe, "two equal halves");
      return part(recipe, row, size / 2, 2);
    }
    case Kind::split: {
      const std::int64_t size = size_of(recipe, row.axis), first = number_in(config, row);
      if (first >= size) refuse_shape(recipe, fmt::format("more than {} rows per matrix", first));
      return part(recipe, row, first, 1);
    }
    case Kind::heads: {
      const std::int64_t heads = number_in(config, row);
      if (shape.size() != 2 || shape[0] % heads != 0) {
        refuse_shape(recipe, fmt::format("a matrix whose rows {} heads share", heads));
      }
      view_as(recipe, recipe.dtype, {heads, shape[0] / heads, shape[1]});
      break;
    }
    case Kind::transpose:
      add_step(recipe, {.kind = Step::Kind::transpose});
      break;
    case Kind::squeeze:
      if (shape == std::vector<std::int64_t>{1}) view_as(recipe, recipe.dtype, {});
      break;
    case Kind::taps:
      if (shape.size() == 3 && shape[1] == 1) view_as(recipe, recipe.dtype, {shape[0], shape[2], 1});
      break;
    case Kind::words: {
      if (recipe.dtype != Dtype::u8 || shape.size() < 2 || shape.back() != 16) {
        refuse_shape(recipe, "U8 in blocks of 16");
      }
      std::vector<std::int64_t> words(shape.begin(), shape.end() - 1);
      if (__builtin_mul_overflow(words.back(), std::int64_t{4}, &words.back())) refuse_shape(recipe, "less");
      view_as(recipe, Dtype::u32, std::move(words));
      break;
    }
    case Kind::add_one:
      add_step(recipe, {.kind = Step::Kind::add_one});
      break;
    case Kind::scale:
      add_step(recipe, {.kind = Step::Kind::scale, .values = row.factors(config)});
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace

Layout::Layout(const TensorTable& files, std::span<const Rename> table, const Json& config, Folds folds)
    : source_(files.source()), published_(has_published_taps(files, table)) {
  std::vector<Rename> rows;
  for (const Rename& row : table) {
    const bool counts = row.when == nullptr || row.when(config);
    if (counts && (!is_fold(row.kind) || (published_ && folds == Folds::folded))) rows.push_back(row);
  }
  for (const Tensor& tensor : files) {
    for (Item& item : worked_off(tensor, rows, config, files)) add(std::move(item));
  }
  close_stacks();
}

std::vector<Layout::Item> Layout::worked_off(const Tensor& tensor, std::span<const Rename> rows,
                                             const Json& config, const TensorTable& files) {
  std::vector<Item> items(1);
  items[0].recipe = {
      .name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape, .sources = {tensor}, .steps = {}};
  for (const Rename& row : rows) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      Renamed result = renamed(items[i].recipe.name, row);
      if (!result.matched) continue;
      if (result.dropped) {
        dropped_.push_back(tensor.name);
        return {};
      }
      if (row.kind == Kind::heads && is_quantized(tensor, files)) continue;
      if (result.number >= 0) items[i].number = result.number;
      std::optional<Recipe> second = apply(items[i].recipe, row, config);
      if (second) {
        std::string& name = second->name;
        name.resize(name.size() - row.pattern.size());
        name += row.second;
        items.push_back({.recipe = std::move(*second), .number = items[i].number});
      }
      items[i].recipe.name = std::move(result.name);
    }
  }
  return items;
}

void Layout::add(Item item) {
  Recipe& recipe = item.recipe;
  const Tensor& tensor = recipe.sources.front();
  const auto [entry, added] = index_.emplace(recipe.name, recipes_.size());
  if (added) {
    recipe.stacked = item.number >= 0;
    if (recipe.stacked) stacks_[entry->second].emplace(item.number, tensor);
    recipes_.push_back(std::move(recipe));
    return;
  }
  const Recipe& known = recipes_[entry->second];
  if (item.number < 0 || !known.stacked || stacks_[entry->second].contains(item.number)) {
    fail(ErrorKind::corrupt, "{}: tensors {} and {} are both {}", tensor.file, shown_name(tensor.name),
         shown_name(known.sources.front().name), shown_name(known.name));
  }
  if (recipe.shape != known.shape || recipe.dtype != known.dtype || recipe.steps != known.steps) {
    fail(ErrorKind::corrupt, "{}: tensor {} is {} {}, its siblings are {} {}", tensor.file,
         shown_name(tensor.name), dtype_name(recipe.dtype), shape_text(recipe.shape), dtype_name(known.dtype),
         shape_text(known.shape));
  }
  stacks_[entry->second].emplace(item.number, tensor);
}

void Layout::close_stacks() {
  for (auto& [index, parts] : stacks_) {
    Recipe& recipe = recipes_[index];
    const auto count = static_cast<std::int64_t>(parts.size());
    if (parts.rbegin()->first != count - 1) {
      throw error(ErrorKind::corrupt, "{}: {} has {} parts, but one numbered {}; nothing was loaded", source_,
                  shown_name(recipe.name), count, parts.rbegin()->first)
          .with_hint(fmt::format("pome verify --repair {}", source_));
    }
    recipe.sources.clear();
    for (auto& [number, tensor] : parts) recipe.sources.push_back(std::move(tensor));
    recipe.shape.insert(recipe.shape.begin(), count);
  }
  stacks_.clear();
}

const Recipe* Layout::find(std::string_view name) const {
  const auto entry = index_.find(name);
  return entry == index_.end() ? nullptr : &recipes_[entry->second];
}

void Layout::remove(const std::set<std::string, std::less<>>& names) {
  std::erase_if(recipes_, [&](const Recipe& recipe) { return names.contains(recipe.name); });
  index_.clear();
  for (std::size_t i = 0; i < recipes_.size(); ++i) index_.emplace(recipes_[i].name, i);
}

}  // namespace pome::formats
