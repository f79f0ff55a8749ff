// The JSON header of a safetensors file, event by event: no tree is built, so a hostile header of 100 MB
// costs its length and no more, and its nesting is bounded by the grammar below.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/safetensors.h"

namespace pome::formats {

// Fills header.entries (in the header's order, each entry complete and of the right size) and
// header.metadata. An event that has no place in the grammar throws Error; the parser never sees a handler
// say false.
class SafetensorsSax {
 public:
  SafetensorsSax(SafetensorsHeader& header, std::string_view subject) : header_(header), subject_(subject) {}

  bool null();
  bool boolean(bool value);
  bool number_integer(std::int64_t value);
  bool number_unsigned(std::uint64_t value);
  bool number_float(double value, const std::string& text);
  bool string(std::string& value);
  bool binary(nlohmann::json::binary_t& value);
  bool start_object(std::size_t);
  bool key(std::string& name);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& last_token, const nlohmann::json::exception& e);

 private:
  // What the next value has to be. Keys and array starts set it, so it is right whenever a value comes.
  enum class Expect : std::uint8_t {
    header,          // the object itself
    entry,           // the object of a tensor
    metadata,        // an object or null
    metadata_value,  // a string
    dtype,           // a string
    shape,           // an array
    dimension,       // a number in it
    offsets,         // an array
    offset,          // a number in it
  };

  enum class Place : std::uint8_t { header, metadata, entry };  // the innermost open object

  [[noreturn]] void refuse(std::string_view found) const;
  std::string where() const;  // what refuse is about
  void expect_once(Expect value, bool& seen);
  void finish_entry();

  SafetensorsHeader& header_;
  std::string_view subject_;
  Place place_ = Place::header;
  Expect expect_ = Expect::header;
  bool metadata_seen_ = false;
  std::string metadata_key_;
  SafetensorsEntry entry_;
  bool dtype_seen_ = false;
  bool shape_seen_ = false;
  bool offsets_seen_ = false;
  int offsets_read_ = 0;
};

}  // namespace pome::formats
