// A config.json as a family reads it: typed, and remembering which keys were read, so that none is ignored.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"

namespace pome::models {

// Not thread-safe; lives while one model is built. Errors name the file and the key.
class Config {
 public:
  // `json` must outlive the config. `subject` names the file in messages.
  Config(const Json& json, std::string subject) : json_(json), subject_(std::move(subject)) {}

  const std::string& subject() const { return subject_; }
  const Json& json() const { return json_; }

  // The member, or nullptr where it is absent or null.
  const Json* find(std::string_view key);

  // Throws Error(corrupt) where the key is absent, null or of another type.
  template <class T>
  T get(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) fail(ErrorKind::corrupt, "{}: {} is missing", subject_, key);
    return convert<T>(*value, key);
  }

  template <class T>
  T get(std::string_view key, T fallback) {
    const Json* value = find(key);
    return value == nullptr ? fallback : convert<T>(*value, key);
  }

  // A count from 1 to 2^24, which no product of two overflows.
  int positive(std::string_view key);
  int positive(std::string_view key, int fallback);
  int positive_or_none(std::string_view key);  // 0 where the key is absent or null

  // Says that `key` was dealt with elsewhere.
  void mark_read(std::string_view key) { read_.emplace(key); }
  void mark_all_read(std::initializer_list<std::string_view> keys) { read_.insert(keys.begin(), keys.end()); }

  // Refuses what nobody read, unless it is empty (null, false, "", [], {}) or known not to change what a
  // model computes. Throws Error(unsupported).
  void finish() const;

 private:
  template <class T>
  T convert(const Json& value, std::string_view key) const {
    try {
      return json_as<T>(value, key);
    } catch (Error& e) {
      throw std::move(e).in(subject_);
    }
  }

  const Json& json_;
  std::string subject_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace pome::models
