// JSON from files and strangers, with errors that say where.
#pragma once

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"

namespace pome {

using Json =
    nlohmann::ordered_json;  // keeps the key order of its source: templates and rewritten configs show it

// Parses text; subject names it in errors ("config.json"). Nesting beyond max_depth and repeated keys are
// refused. Throws Error(corrupt).
Json parse_json(std::string_view text, std::string_view subject, int max_depth = 200);

// read_file + parse_json, with the path as subject. The bare words Infinity and -Infinity, which Python
// writes, are read as {"__float__": "Infinity"}, which transformers 5 writes for them.
Json load_json(const fs::path& path);

namespace detail {
[[noreturn]] void fail_json_type(std::string_view key, std::string_view expected, const Json& found);
}

// value as T (bool, integer, floating point, std::string). Throws Error(corrupt) "<key>: expected an integer,
// found …"; a number with a fraction, or outside T's range, does not pass for an integer.
template <class T>
T json_as(const Json& value, std::string_view key) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) detail::fail_json_type(key, "true or false", value);
    return value.template get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned()) {
      if (const auto n = value.template get<std::uint64_t>(); std::in_range<T>(n)) return static_cast<T>(n);
    } else if (value.is_number_integer()) {
      if (const auto n = value.template get<std::int64_t>(); std::in_range<T>(n)) return static_cast<T>(n);
    } else if (value.is_number_float()) {  // 4096.0, as some writers put it
      const double n = value.template get<double>();
      if (n == std::floor(n) && std::fabs(n) < 0x1p53 && std::in_range<T>(static_cast<std::int64_t>(n))) {
        return static_cast<T>(n);
      }
    }
    detail::fail_json_type(key, "an integer in range", value);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) detail::fail_json_type(key, "a number", value);
    return value.template get<T>();
  } else {
    static_assert(std::is_same_v<T, std::string>);
    if (!value.is_string()) detail::fail_json_type(key, "a string", value);
    return value.template get<std::string>();
  }
}

// The member `key` of an object as T, or fallback where it is absent or null.
template <class T>
T json_value(const Json& object, std::string_view key, T fallback) {
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return fallback;
  return json_as<T>(*member, key);
}

}  // namespace pome
