#include "store/manifest_file.h"

#include <algorithm>

#include "base/error.h"

namespace pome::store {
namespace {

constexpr std::string_view ending = ".manifest.json";
constexpr std::size_t longest_manifest = 4 << 20;

}  // namespace

fs::path manifests_folder(const fs::path& root, const Paths& paths) {
  return (root.empty() ? paths.data : root) / "manifests";
}

// "org/name" as a file: org--name.manifest.json.
fs::path manifest_file(const fs::path& folder, std::string name) {
  for (auto at = name.find('/'); at != std::string::npos; at = name.find('/')) name.replace(at, 1, "--");
  return folder / (name + std::string(ending));
}

Json parse_manifest(std::string_view json, std::string_view subject) {
  Json manifest = parse_json(json, subject, 32);
  try {
    if (!manifest.is_object()) fail(ErrorKind::corrupt, "expected an object");
    for (const char* key : {"model", "model_path", "source_id", "variant", "precision", "quantization",
                            "notes", "generated_at"}) {
      json_value<std::string>(manifest, key, "");
    }
    for (const char* key : {"adapter", "storage"}) {
      const auto part = manifest.find(key);
      if (part != manifest.end() && !part->is_object() && !part->is_null())
        fail(ErrorKind::corrupt, "{}: expected an object", key);
    }
    if (const auto tags = manifest.find("tags"); tags != manifest.end() && !tags->is_null()) {
      if (!tags->is_array()) fail(ErrorKind::corrupt, "tags: expected an array");
      for (const Json& tag : *tags) json_as<std::string>(tag, "tags");
    }
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
  return manifest;
}

Json read_manifest(const fs::path& file) {
  return parse_manifest(read_file(file, longest_manifest), file.string());
}

std::vector<Json> read_manifests(const fs::path& folder) {
  std::vector<Json> result;
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    if (!it->path().filename().string().ends_with(ending)) continue;
    try {
      Json manifest = read_manifest(it->path());
      if (manifest.contains("model")) result.push_back(std::move(manifest));
    } catch (const Error&) {
      // sync says what is wrong with it
    }
  }
  std::sort(result.begin(), result.end(), [](const Json& a, const Json& b) {
    return json_value<std::string>(a, "model", "") < json_value<std::string>(b, "model", "");
  });
  return result;
}

}  // namespace pome::store
