#include "formats/shard_index.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "formats/tensor.h"

namespace pome::formats {
namespace {

bool is_shard_name(std::string_view name) {
  constexpr std::string_view suffix = ".safetensors";
  return name.size() > suffix.size() && name.ends_with(suffix) && name.front() != '.' &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

class IndexSax {
 public:
  IndexSax(std::map<std::string, std::string>& map, std::string_view subject)
      : map_(map), subject_(subject) {}

  bool found_map() const { return map_seen_; }

  bool null() { return scalar(); }
  bool boolean(bool) { return scalar(); }
  bool number_integer(std::int64_t) { return scalar(); }
  bool number_unsigned(std::uint64_t) { return scalar(); }
  bool number_float(double, const std::string&) { return scalar(); }
  bool binary(nlohmann::json::binary_t&) { return scalar(); }
  bool string(std::string& value) {
    if (!in_map_ || depth_ != 2) return scalar();
    if (!is_shard_name(value)) {
      fail(ErrorKind::corrupt, "{}: tensor {}: {} is not the name of a .safetensors file in this folder",
           subject_, shown_name(key_), shown_name(value));
    }
    if (!map_.emplace(key_, std::move(value)).second) {
      fail(ErrorKind::corrupt, "{}: tensor {} occurs twice", subject_, shown_name(key_));
    }
    return true;
  }
  bool start_object(std::size_t) {
    if (in_map_ && depth_ >= 2) return scalar();
    if (depth_ == 1 && key_ == "weight_map") {
      if (std::exchange(map_seen_, true)) fail(ErrorKind::corrupt, "{}: weight_map occurs twice", subject_);
      in_map_ = true;
    }
    ++depth_;
    return true;
  }
  bool key(std::string& name) {
    if (depth_ <= 2) key_ = std::move(name);
    return true;
  }
  bool end_object() {
    if (--depth_ == 1) in_map_ = false;
    return true;
  }
  bool start_array(std::size_t) {
    scalar();
    ++depth_;
    return true;
  }
  bool end_array() {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    fail(ErrorKind::corrupt, "{}: not valid JSON at byte {}", subject_, position);
  }

 private:
  // A value that is not an object; fine wherever it is skipped.
  bool scalar() const {
    if (depth_ == 0) fail(ErrorKind::corrupt, "{}: expected an object", subject_);
    if (depth_ == 1 && key_ == "weight_map")
      fail(ErrorKind::corrupt, "{}: weight_map: expected an object", subject_);
    if (in_map_) fail(ErrorKind::corrupt, "{}: tensor {}: expected a file name", subject_, shown_name(key_));
    return true;
  }

  std::map<std::string, std::string>& map_;
  std::string_view subject_;
  std::string key_;
  std::uint64_t depth_ = 0;
  bool in_map_ = false;
  bool map_seen_ = false;
};

}  // namespace

std::map<std::string, std::string> parse_shard_index(std::string_view json, std::string_view subject) {
  std::map<std::string, std::string> map;
  IndexSax sax(map, subject);
  nlohmann::json::sax_parse(json, &sax);
  if (!sax.found_map()) fail(ErrorKind::corrupt, "{}: no weight_map", subject);
  return map;
}

}  // namespace pome::formats
