// Tensors as files hold them: a name, a type, a shape and a view of bytes that somebody else keeps alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace pome::formats {

// An immutable view, cheap to copy, safe to share between threads. Elements are little-endian, rows last axis
// fastest, without padding.
//
// data may be MISALIGNED for the dtype: writers need not pad their header, so a tensor can start at any byte
// of a mapped file. Read it with memcpy or unaligned vector loads; never cast it to a wider pointer.
struct Tensor {
  std::string name;
  Dtype dtype = Dtype::u8;
  std::vector<std::int64_t> shape;  // empty: one element
  const std::byte* data = nullptr;
  std::size_t size_bytes = 0;         // of exactly shape × dtype
  std::shared_ptr<const void> owner;  // keeps data valid, usually a MappedFile
  std::string file;                   // where it comes from, for messages

  std::int64_t elements() const;
  std::span<const std::byte> bytes() const { return {data, size_bytes}; }

  // "[64, 128]"
  std::string shape_text() const;

  // The sub-tensor [first, first + count) along axis 0, as a view. Throws Error(internal) where that is out
  // of range, where there is no axis 0, or where a row of a sub-byte type does not fill whole bytes.
  Tensor slice_rows(std::int64_t first, std::int64_t count) const;
};

// name in quotes as JSON writes it, cut where it is long: a stranger's text on its way to a terminal.
std::string shown_name(std::string_view name);

std::string shape_text(std::span<const std::int64_t> shape);

// Bytes of a tensor; nothing where a dimension is negative, a product overflows or the bits do not fill whole
// bytes.
std::optional<std::size_t> tensor_size_bytes(Dtype dtype, std::span<const std::int64_t> shape);

// The tensors of one model by name, in the order they were added. Reading is thread-safe. Copying copies
// views, not bytes.
class TensorTable {
 public:
  // source names the file or folder in errors.
  explicit TensorTable(std::string source = {}) : source_(std::move(source)) {}

  // Throws Error(corrupt) where the name is taken, naming both files.
  void add(Tensor tensor);
  void merge(TensorTable other);

  // Valid until the table changes.
  const Tensor* find(std::string_view name) const;  // nullptr where there is none
  const Tensor& at(std::string_view name) const;    // throws Error(corrupt) where there is none
  bool contains(std::string_view name) const { return find(name) != nullptr; }

  std::size_t size() const { return tensors_.size(); }
  bool empty() const { return tensors_.empty(); }
  std::vector<Tensor>::const_iterator begin() const { return tensors_.begin(); }
  std::vector<Tensor>::const_iterator end() const { return tensors_.end(); }
  std::uint64_t total_bytes() const;
  const std::string& source() const { return source_; }

 private:
  std::string source_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;  // a hash could be flooded by a hostile file
};

}  // namespace pome::formats
