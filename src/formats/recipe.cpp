#include "formats/recipe.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"

namespace pome::formats {
namespace {

using Bytes = std::vector<std::byte>;

std::size_t element_bytes(const Tensor& tensor) {
  const int bits = dtype_bits(tensor.dtype);
  if (bits % 8 != 0) {
    fail(ErrorKind::unsupported, "{}: tensor {} is {}, which cannot be rearranged", tensor.file,
         shown_name(tensor.name), dtype_name(tensor.dtype));
  }
  return static_cast<std::size_t>(bits / 8);
}

Tensor owned(const Tensor& like, std::vector<std::int64_t> shape, Bytes bytes) {
  auto kept = std::make_shared<Bytes>(std::move(bytes));
  Tensor made = like;
  made.shape = std::move(shape);
  made.data = kept->data();
  made.size_bytes = kept->size();
  made.owner = std::move(kept);
  return made;
}

std::size_t product(std::span<const std::int64_t> sizes) {
  std::size_t n = 1;
  for (const std::int64_t size : sizes) n *= static_cast<std::size_t>(size);
  return n;
}

Tensor taken(const Tensor& tensor, const Step& step) {
  const std::size_t axis = tensor.shape.size() - static_cast<std::size_t>(-step.axis);
  if (axis == 0 && step.stride == 1) return tensor.slice_rows(step.first, step.count);
  const std::size_t outer = product(std::span(tensor.shape).first(axis));
  const std::size_t slice = product(std::span(tensor.shape).subspan(axis + 1)) * element_bytes(tensor);
  const auto size = static_cast<std::size_t>(tensor.shape[axis]);
  const auto first = static_cast<std::size_t>(step.first), stride = static_cast<std::size_t>(step.stride),
             count = static_cast<std::size_t>(step.count);
  Bytes bytes(outer * count * slice);
  std::byte* to = bytes.data();
  for (std::size_t o = 0; o < outer; ++o) {
    const std::byte* from = tensor.data + (o * size + first) * slice;
    if (stride == 1) {
      std::memcpy(to, from, count * slice);
      to += count * slice;
      continue;
    }
    for (std::size_t i = 0; i < count; ++i, to += slice) std::memcpy(to, from + i * stride * slice, slice);
  }
  std::vector<std::int64_t> shape = tensor.shape;
  shape[axis] = step.count;
  return owned(tensor, std::move(shape), std::move(bytes));
}

template <std::size_t Size>
void transpose_matrix(const std::byte* from, std::byte* to, std::size_t rows, std::size_t columns) {
  constexpr std::size_t tile = 32;  // both sides of a tile stay in the first cache
  for (std::size_t r0 = 0; r0 < rows; r0 += tile) {
    for (std::size_t c0 = 0; c0 < columns; c0 += tile) {
      for (std::size_t r = r0; r < std::min(r0 + tile, rows); ++r) {
        for (std::size_t c = c0; c < std::min(c0 + tile, columns); ++c) {
          std::memcpy(to + (c * rows + r) * Size, from + (r * columns + c) * Size, Size);
        }
      }
    }
  }
}

Tensor transposed(const Tensor& tensor) {
  std::vector<std::int64_t> shape = tensor.shape;
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  const auto rows = static_cast<std::size_t>(shape.back());
  const auto columns = static_cast<std::size_t>(shape[shape.size() - 2]);
  const std::size_t size = element_bytes(tensor), matrix = rows * columns * size;
  Bytes bytes(tensor.size_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += matrix) {
    const std::byte* from = tensor.data + at;
    std::byte* to = bytes.data() + at;
    switch (size) {
      case 1:
        transpose_matrix<1>(from, to, rows, columns);
        break;
      case 2:
        transpose_matrix<2>(from, to, rows, columns);
        break;
      case 4:
        transpose_matrix<4>(from, to, rows, columns);
        break;
      default:
        transpose_matrix<8>(from, to, rows, columns);
        break;
    }
  }
  return owned(tensor, std::move(shape), std::move(bytes));
}

// Computes in float32 and rounds to the tensor's own type.
template <class Change>
Tensor changed(const Tensor& tensor, Change change) {
  Bytes bytes(tensor.size_bytes);
  const auto count = static_cast<std::size_t>(tensor.elements());
  const auto each = [&]<class Stored>(Stored, auto load, auto store) {
    for (std::size_t i = 0; i < count; ++i) {
      Stored value;
      std::memcpy(&value, tensor.data + i * sizeof(value), sizeof(value));
      value = store(change(load(value), i));
      std::memcpy(bytes.data() + i * sizeof(value), &value, sizeof(value));
    }
  };
  const auto same = [](float v) { return v; };
  switch (tensor.dtype) {
    case Dtype::f32:
      each(float{}, same, same);
      break;
    case Dtype::f16:
      each(std::uint16_t{}, f16_to_f32, f32_to_f16);
      break;
    case Dtype::bf16:
      each(std::uint16_t{}, bf16_to_f32, f32_to_bf16);
      break;
    default:
      fail(ErrorKind::unsupported, "{}: tensor {} is {}, expected F32, F16 or BF16", tensor.file,
           shown_name(tensor.name), dtype_name(tensor.dtype));
  }
  return owned(tensor, tensor.shape, std::move(bytes));
}

Tensor scaled(const Tensor& tensor, const std::vector<float>& values) {
  if (values.size() == 1) return changed(tensor, [&](float v, std::size_t) { return v * values[0]; });
  const std::size_t row = product(std::span(tensor.shape).subspan(1));
  return changed(tensor, [&](float v, std::size_t i) { return v * values[i / row]; });
}

Tensor after(const Step& step, Tensor tensor) {
  switch (step.kind) {
    case Step::Kind::view: {
      const std::int64_t leading = tensor.shape.empty() ? 0 : tensor.shape[0];
      tensor.dtype = step.dtype;
      tensor.shape = step.shape;
      // A piece keeps its one row of the first axis.
      if (leading == 1 && !tensor.shape.empty() &&
          tensor_size_bytes(tensor.dtype, tensor.shape) != tensor.size_bytes) {
        tensor.shape[0] = 1;
      }
      return tensor;
    }
    case Step::Kind::take:
      return taken(tensor, step);
    case Step::Kind::transpose:
      return transposed(tensor);
    case Step::Kind::add_one:
      return changed(tensor, [](float v, std::size_t) { return v + 1; });
    case Step::Kind::scale:
      return scaled(tensor, step.values);
  }
  return tensor;
}

// The source behind all steps; of `piece` along the first axis alone where that is given, cut before the
// first step that copies.
Tensor prepared(const Recipe& recipe, const Tensor& source, std::optional<std::int64_t> piece) {
  Tensor tensor = source;
  tensor.name = recipe.name;
  if (tensor.size_bytes == 0) {  // of any shape: no loop may count its rows
    tensor.dtype = recipe.dtype;
    tensor.shape.assign(recipe.shape.begin() + (recipe.stacked ? 1 : 0), recipe.shape.end());
    return tensor;
  }
  const auto cut = [&] {
    if (piece) tensor = tensor.slice_rows(*std::exchange(piece, std::nullopt), 1);
  };
  for (const Step& step : recipe.steps) {
    if (step.kind != Step::Kind::view) cut();
    tensor = after(step, std::move(tensor));
  }
  cut();
  return tensor;
}

[[noreturn]] void refuse(const Recipe& recipe, std::string_view expected) {
  const Tensor& source = recipe.sources.front();
  fail(ErrorKind::corrupt, "{}: tensor {} is {} {}, expected {}", source.file, shown_name(source.name),
       dtype_name(source.dtype), source.shape_text(), expected);
}

}  // namespace

std::int64_t Recipe::pieces() const {
  if (stacked) return static_cast<std::int64_t>(sources.size());
  return shape.size() >= 3 && sources.front().size_bytes > 0 ? shape[0] : 1;
}

Tensor make_piece(const Recipe& recipe, std::int64_t piece) {
  if (recipe.stacked) return prepared(recipe, recipe.sources.at(static_cast<std::size_t>(piece)), {});
  if (recipe.pieces() == 1) return make(recipe);
  Tensor tensor = prepared(recipe, recipe.sources.front(), piece);
  tensor.shape.erase(tensor.shape.begin());
  return tensor;
}

Tensor make(const Recipe& recipe) {
  if (!recipe.stacked) return prepared(recipe, recipe.sources.front(), {});
  Bytes bytes;
  Tensor first = recipe.sources.front();
  first.name = recipe.name;
  for (const Tensor& source : recipe.sources) {
    const Tensor part = prepared(recipe, source, {});
    if (bytes.empty()) bytes.reserve(part.size_bytes * recipe.sources.size());
    bytes.insert(bytes.end(), part.data, part.data + part.size_bytes);
  }
  Tensor made = owned(first, recipe.shape, std::move(bytes));
  made.dtype = recipe.dtype;
  return made;
}

void add_step(Recipe& recipe, Step step) {
  std::vector<std::int64_t>& shape = recipe.shape;
  const std::size_t axes = shape.size();
  switch (step.kind) {
    case Step::Kind::view:
      if (tensor_size_bytes(step.dtype, step.shape) != tensor_size_bytes(recipe.dtype, shape)) {
        refuse(recipe,
               fmt::format("as many bytes as {} of {}", shape_text(step.shape), dtype_name(step.dtype)));
      }
      recipe.dtype = step.dtype;
      shape = step.shape;
      break;
    case Step::Kind::take: {
      const auto back = static_cast<std::size_t>(-step.axis);
      if (back > axes) refuse(recipe, fmt::format("{} axes", back));
      std::int64_t& size = shape[axes - back];
      if (step.first < 0 || step.count < 0 || step.first + step.stride * (step.count - 1) >= size) {
        refuse(recipe, fmt::format("{} rows from {} on", step.count, step.first));
      }
      size = step.count;
      break;
    }
    case Step::Kind::transpose:
      if (axes < 2) refuse(recipe, "a matrix");
      std::swap(shape[axes - 1], shape[axes - 2]);
      break;
    case Step::Kind::add_one:
      break;
    case Step::Kind::scale:
      if (step.values.size() != 1 &&
          (axes == 0 || static_cast<std::int64_t>(step.values.size()) != shape[0])) {
        refuse(recipe, fmt::format("{} rows", step.values.size()));
      }
      break;
  }
  recipe.steps.push_back(std::move(step));
}

}  // namespace pome::formats
