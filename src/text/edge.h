// How this room talks to the Rust crate: owners for what it hands out, errors as pome::Error.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "pome_edge.h"

namespace pome::text::edge {

// The error slot of one call; check() throws what the call stored there.
class Call {
 public:
  Call() = default;
  Call(const Call&) = delete;
  ~Call() { pome_edge_error_free(error_); }

  pome_edge_error** slot() { return &error_; }
  void check() const {
    if (error_ != nullptr) throw_error();
  }

 private:
  [[noreturn]] void throw_error() const;

  pome_edge_error* error_ = nullptr;
};

class Buffer {
 public:
  explicit Buffer(pome_edge_buffer raw = {}) : raw_(raw) {}
  Buffer(const Buffer&) = delete;
  ~Buffer() { pome_edge_buffer_free(raw_); }

  pome_edge_buffer* out() { return &raw_; }
  std::string_view view() const { return {reinterpret_cast<const char*>(raw_.data), raw_.len}; }

 private:
  pome_edge_buffer raw_;
};

class Ids {
 public:
  explicit Ids(pome_edge_ids raw = {}) : raw_(raw) {}
  Ids(const Ids&) = delete;
  ~Ids() { pome_edge_ids_free(raw_); }

  pome_edge_ids* out() { return &raw_; }
  std::span<const std::uint32_t> view() const { return {raw_.data, raw_.len}; }

 private:
  pome_edge_ids raw_;
};

// Never null, so that the crate can tell empty text from none.
inline pome_edge_bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data() != nullptr ? text.data() : ""), text.size()};
}

// Ids as the crate has them. Throws Error(usage) for a negative one.
const std::uint32_t* unsigned_ids(std::span<const std::int32_t> ids);

}  // namespace pome::text::edge
