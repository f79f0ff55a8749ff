#include "formats/safetensors_sax.h"

#include <utility>

#include "base/error.h"

namespace pome::formats {
namespace {

constexpr std::size_t max_dimensions = 64;  // as many as NumPy and PyTorch can hold

}  // namespace

std::string SafetensorsSax::where() const {
  switch (expect_) {
    case Expect::header:
      return "header";
    case Expect::metadata:
      return "__metadata__";
    case Expect::metadata_value:
      return fmt::format("__metadata__: {}", shown_name(metadata_key_));
    case Expect::entry:
      return fmt::format("tensor {}", shown_name(entry_.name));
    case Expect::dtype:
      return fmt::format("tensor {}: dtype", shown_name(entry_.name));
    case Expect::shape:
    case Expect::dimension:
      return fmt::format("tensor {}: shape", shown_name(entry_.name));
    case Expect::offsets:
    case Expect::offset:
      return fmt::format("tensor {}: data_offsets", shown_name(entry_.name));
  }
  return {};
}

void SafetensorsSax::refuse(std::string_view found) const {
  std::string_view expected = "a non-negative integer";
  if (expect_ == Expect::header || expect_ == Expect::entry) expected = "an object";
  if (expect_ == Expect::metadata) expected = "an object or null";
  if (expect_ == Expect::metadata_value || expect_ == Expect::dtype) expected = "a string";
  if (expect_ == Expect::shape || expect_ == Expect::offsets) expected = "an array";
  fail(ErrorKind::corrupt, "{}: {}: expected {}, found {}", subject_, where(), expected, found);
}

bool SafetensorsSax::null() {
  if (expect_ != Expect::metadata) refuse("null");
  return true;
}

bool SafetensorsSax::boolean(bool value) { refuse(value ? "true" : "false"); }

bool SafetensorsSax::number_integer(std::int64_t value) { refuse(std::to_string(value)); }

bool SafetensorsSax::number_unsigned(std::uint64_t value) {
  if (expect_ == Expect::dimension) {
    if (!std::in_range<std::int64_t>(value)) refuse(std::to_string(value));
    if (entry_.shape.size() == max_dimensions) {
      fail(ErrorKind::corrupt, "{}: {}: more than {} dimensions", subject_, where(), max_dimensions);
    }
    entry_.shape.push_back(static_cast<std::int64_t>(value));
  } else if (expect_ == Expect::offset) {
    if (offsets_read_ == 2) fail(ErrorKind::corrupt, "{}: {}: more than 2 numbers", subject_, where());
    (offsets_read_++ == 0 ? entry_.begin : entry_.end) = value;
  } else {
    refuse(std::to_string(value));
  }
  return true;
}

bool SafetensorsSax::number_float(double, const std::string& text) { refuse(text.substr(0, 40)); }

bool SafetensorsSax::string(std::string& value) {
  if (expect_ == Expect::metadata_value) {
    if (!header_.metadata.emplace(metadata_key_, std::move(value)).second) {
      fail(ErrorKind::corrupt, "{}: {} occurs twice", subject_, where());
    }
  } else if (expect_ == Expect::dtype) {
    const auto dtype = dtype_from_name(value);
    if (!dtype) fail(ErrorKind::unsupported, "{}: {} {} is unknown", subject_, where(), shown_name(value));
    entry_.dtype = *dtype;
  } else {
    refuse(shown_name(value));
  }
  return true;
}

bool SafetensorsSax::binary(nlohmann::json::binary_t&) { refuse("binary"); }

bool SafetensorsSax::start_object(std::size_t) {
  if (expect_ == Expect::header) {
    place_ = Place::header;
  } else if (expect_ == Expect::metadata) {
    place_ = Place::metadata;
  } else if (expect_ == Expect::entry) {
    place_ = Place::entry;
  } else {
    refuse("an object");
  }
  return true;
}

void SafetensorsSax::expect_once(Expect value, bool& seen) {
  expect_ = value;
  if (std::exchange(seen, true)) fail(ErrorKind::corrupt, "{}: {} occurs twice", subject_, where());
}

bool SafetensorsSax::key(std::string& name) {
  switch (place_) {
    case Place::header:
      if (name == "__metadata__") {
        expect_once(Expect::metadata, metadata_seen_);
      } else {
        expect_ = Expect::entry;
        entry_ = {};
        entry_.name = std::move(name);
        dtype_seen_ = shape_seen_ = offsets_seen_ = false;
        offsets_read_ = 0;
      }
      break;
    case Place::metadata:
      expect_ = Expect::metadata_value;
      metadata_key_ = std::move(name);
      break;
    case Place::entry:
      if (name == "dtype") {
        expect_once(Expect::dtype, dtype_seen_);
      } else if (name == "shape") {
        expect_once(Expect::shape, shape_seen_);
      } else if (name == "data_offsets") {
        expect_once(Expect::offsets, offsets_seen_);
      } else {
        fail(ErrorKind::corrupt, "{}: tensor {}: unknown key {}", subject_, shown_name(entry_.name),
             shown_name(name));
      }
      break;
  }
  return true;
}

bool SafetensorsSax::end_object() {
  if (place_ == Place::entry) finish_entry();
  place_ = Place::header;
  return true;
}

bool SafetensorsSax::start_array(std::size_t) {
  if (expect_ == Expect::shape) {
    expect_ = Expect::dimension;
  } else if (expect_ == Expect::offsets) {
    expect_ = Expect::offset;
  } else {
    refuse("an array");
  }
  return true;
}

bool SafetensorsSax::end_array() {
  if (expect_ == Expect::offset && offsets_read_ != 2) {
    fail(ErrorKind::corrupt, "{}: {}: expected 2 numbers, found {}", subject_, where(), offsets_read_);
  }
  return true;
}

void SafetensorsSax::finish_entry() {
  const auto refuse_entry = [&](const std::string& why) {
    fail(ErrorKind::corrupt, "{}: tensor {}: {}", subject_, shown_name(entry_.name), why);
  };
  if (!dtype_seen_) refuse_entry("no dtype");
  if (!shape_seen_) refuse_entry("no shape");
  if (!offsets_seen_) refuse_entry("no data_offsets");
  const std::string what = fmt::format("{} {}", dtype_name(entry_.dtype), shape_text(entry_.shape));
  const auto size = tensor_size_bytes(entry_.dtype, entry_.shape);
  if (!size) {
    const bool countable = dtype_bits(entry_.dtype) < 8 && tensor_size_bytes(Dtype::u8, entry_.shape);
    refuse_entry(what +
                 (countable ? " does not fill whole bytes" : " takes more bytes than 64 bits can count"));
  }
  if (entry_.begin > entry_.end || entry_.end - entry_.begin != *size) {
    refuse_entry(
        fmt::format("{} takes {} bytes, data_offsets are [{}, {}]", what, *size, entry_.begin, entry_.end));
  }
  header_.entries.push_back(std::move(entry_));
}

bool SafetensorsSax::parse_error(std::size_t position, const std::string&,
                                 const nlohmann::json::exception& e) {
  // nlohmann's text is "[json.exception.parse_error.101] parse error at line 1, column 2: …", and may quote
  // the stranger's bytes at the end.
  std::string_view what = e.what();
  if (const auto start = what.find(": "); start != std::string_view::npos) what.remove_prefix(start + 2);
  if (const auto quote = what.find("; last read"); quote != std::string_view::npos)
    what = what.substr(0, quote);
  fail(ErrorKind::corrupt, "{}: header: not valid JSON at byte {}: {}", subject_, position, what);
}

}  // namespace pome::formats
