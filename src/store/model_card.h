// The front matter of a model's README.md: what its makers say of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace pome::store {

struct ModelCard {
  std::string licence;       // "apache-2.0"; of "other" its name
  std::string pipeline_tag;  // "text-generation"
  std::string library;       // "mlx", "transformers"
  std::vector<std::string> base_models;
  std::vector<std::string> tags;
};

// Reads the part of YAML that model cards are written in: "key: value", lists of "- item" and of [a, b], one
// level deep; anything else is passed over, and so is all after the second "---". Never throws.
ModelCard parse_model_card(std::string_view readme);

// An empty card where there is no such file. Reads its first 64 KiB.
ModelCard read_model_card(const fs::path& readme);

}  // namespace pome::store
