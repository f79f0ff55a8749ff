// Manifests as files: <name>.manifest.json, one per model. What is in them: docs/manifest.schema.json; who
// writes them: services/manifest.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "store/paths.h"

namespace pome::store {

// root/manifests, or without root pome's own.
fs::path manifests_folder(const fs::path& root, const Paths& paths);

// "org/name" is org--name.manifest.json.
fs::path manifest_file(const fs::path& folder, std::string name);

// Throws Error(corrupt): not an object, or known fields of a wrong type. Unknown fields are kept.
Json parse_manifest(std::string_view json, std::string_view subject);

// Throws also what read_file throws.
Json read_manifest(const fs::path& file);

// Every manifest in a folder, sorted by model; what is none is left out.
std::vector<Json> read_manifests(const fs::path& folder);

}  // namespace pome::store
