#include "formats/tensor.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace pome::formats {

std::string shown_name(std::string_view name) {
  constexpr std::size_t max_bytes = 100;
  std::string text =
      nlohmann::json(name.substr(0, max_bytes)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return name.size() > max_bytes ? text + "..." : text;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::optional<std::size_t> tensor_size_bytes(Dtype dtype, std::span<const std::int64_t> shape) {
  // Zeros first: 0 × anything is 0, also where the other factors alone would overflow.
  bool zero = false;
  for (const std::int64_t n : shape) {
    if (n < 0) return std::nullopt;
    zero = zero || n == 0;
  }
  if (zero) return 0;
  std::uint64_t bits = static_cast<std::uint64_t>(dtype_bits(dtype));
  for (const std::int64_t n : shape) {
    if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(n), &bits)) return std::nullopt;
  }
  if (bits % 8 != 0) return std::nullopt;
  return static_cast<std::size_t>(bits / 8);
}

std::int64_t Tensor::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t n : shape) {
    if (n == 0) return 0;
  }
  for (const std::int64_t n : shape) product *= n;  // no overflow: the bytes of all elements fit in memory
  return product;
}

std::string Tensor::shape_text() const { return formats::shape_text(shape); }

Tensor Tensor::slice_rows(std::int64_t first, std::int64_t count) const {
  if (shape.empty() || first < 0 || count < 0 || first > shape[0] || count > shape[0] - first) {
    fail(ErrorKind::internal, "{}: no {} rows from {} on in tensor {} of shape {}", file, count, first,
         shown_name(name), shape_text());
  }
  const auto row_bytes = tensor_size_bytes(dtype, std::span(shape).subspan(1));
  if (!row_bytes) {
    fail(ErrorKind::internal, "{}: rows of tensor {}, {} {}, do not fill whole bytes", file, shown_name(name),
         dtype_name(dtype), shape_text());
  }
  Tensor part = *this;
  part.shape[0] = count;
  part.size_bytes = static_cast<std::size_t>(count) * *row_bytes;
  if (data != nullptr) part.data = data + static_cast<std::size_t>(first) * *row_bytes;
  return part;
}

void TensorTable::add(Tensor tensor) {
  const auto [entry, added] = index_.emplace(tensor.name, tensors_.size());
  if (!added) {
    const std::string& first = tensors_[entry->second].file;
    if (first == tensor.file)
      fail(ErrorKind::corrupt, "{}: tensor {} occurs twice", tensor.file, shown_name(tensor.name));
    fail(ErrorKind::corrupt, "{}: tensor {} is also in {}", tensor.file, shown_name(tensor.name), first);
  }
  tensors_.push_back(std::move(tensor));
}

void TensorTable::merge(TensorTable other) {
  for (Tensor& tensor : other.tensors_) add(std::move(tensor));
}

const Tensor* TensorTable::find(std::string_view name) const {
  const auto entry = index_.find(name);
  return entry == index_.end() ? nullptr : &tensors_[entry->second];
}

const Tensor& TensorTable::at(std::string_view name) const {
  const Tensor* tensor = find(name);
  if (tensor == nullptr) fail(ErrorKind::corrupt, "{}: no tensor named {}", source_, shown_name(name));
  return *tensor;
}

std::uint64_t TensorTable::total_bytes() const {
  std::uint64_t sum = 0;
  for (const Tensor& tensor : tensors_) sum += tensor.size_bytes;
  return sum;
}

}  // namespace pome::formats
