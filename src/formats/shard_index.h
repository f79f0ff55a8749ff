// model.safetensors.index.json: which file holds which tensor.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace pome::formats {

// Tensor name → file name, as weight_map has them; all else in the index is skipped. File names are plain
// names that end in .safetensors: none leads out of the folder. subject names the index in errors. Throws
// Error(corrupt). Takes n log n time for n tensors, where a generic JSON tree takes n²: large mixtures of
// experts have 100 000.
std::map<std::string, std::string> parse_shard_index(std::string_view json, std::string_view subject);

}  // namespace pome::formats
