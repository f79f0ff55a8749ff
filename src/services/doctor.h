// Why a model is not listed or cannot be loaded, in plain words, and what to run.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "store/paths.h"

namespace pome::services {

struct Advice {
  enum class Grade : std::uint8_t { good, note, problem } grade = Grade::good;
  std::string subject;       // "cache", "token", "org/name", …
  std::string text;          // one sentence
  std::string command = {};  // what to run; may be empty

  Json to_json() const;
};

// The surroundings: the cache and what other clients stumble over in it, free space, token, environment,
// imported folders; then every model that is not complete. Nothing is asked over the network.
std::vector<Advice> examine_library(const store::Paths& paths);

// One model, as somebody would call it: what it is taken for, where it lies, whether its files fit together,
// whether pome can run it and whether it fits into memory. Where there is no such model, where else it may
// be.
std::vector<Advice> examine_model(const std::string& model, const store::Paths& paths);

}  // namespace pome::services
