// Whether the files of a model folder fit together, without computing and without digests: headers against
// file sizes, the index against its shards, the config against tensors, quantization, the tokenizer.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace pome::services {

struct Finding {
  enum class Grade : std::uint8_t {
    error,    // the model is damaged or incomplete
    warning,  // it works, but other programs may stumble
    note,     // worth knowing: nothing is wrong with the files
  } grade = Grade::error;
  std::string
      check;  // "digest", "size", "header", "index", "config", "quantization", "tokenizer", "cache", "file"
  std::string file;  // below the folder; may be empty
  std::string message;
  std::string hint = {};  // one command

  Json to_json() const;
};

// name: what the model is called, which may tell what it is for. An empty list: sound, as far as can be told.
// Throws nothing but what comes of memory.
std::vector<Finding> check_model(const fs::path& folder, const std::string& name);

}  // namespace pome::services
