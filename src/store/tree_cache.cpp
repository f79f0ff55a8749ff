#include "store/tree_cache.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "hub/names.h"

namespace pome::store {
namespace {

TreeFile parse_file(const std::string& name, const Json& entry) {
  if (!hub::is_file_name(name)) fail(ErrorKind::corrupt, "\"{}\" cannot be a file of a repository", name);
  if (!entry.is_object()) fail(ErrorKind::corrupt, "{}: expected an object", name);
  TreeFile file{.name = name,
                .size_bytes = json_value<std::uint64_t>(entry, "size", 0),
                .git_sha1 = json_value<std::string>(entry, "blob_id", ""),
                .sha256 = json_value<std::string>(entry, "lfs_sha256", ""),
                .xet_hash = json_value<std::string>(entry, "xet_hash", "")};
  if (!hub::is_git_sha1(file.git_sha1) || (!file.sha256.empty() && !hub::is_sha256(file.sha256)) ||
      (!file.xet_hash.empty() && !hub::is_sha256(file.xet_hash))) {
    fail(ErrorKind::corrupt, "{}: a digest is not 40 or 64 hex digits", name);
  }
  if (!file.sha256.empty()) file.size_bytes = json_value(entry, "lfs_size", file.size_bytes);
  return file;
}

}  // namespace

std::vector<TreeFile> parse_tree(std::string_view json, std::string_view subject) {
  const Json tree = parse_json(json, subject, 8);
  try {
    if (!tree.is_object() || json_value(tree, "format_version", 0) != 1) {
      fail(ErrorKind::corrupt, "expected an object with \"format_version\" 1");
    }
    const auto files = tree.find("files");
    if (files == tree.end() || !files->is_object()) fail(ErrorKind::corrupt, "\"files\": expected an object");
    std::vector<TreeFile> result;
    result.reserve(files->size());
    for (const auto& [name, entry] : files->items()) result.push_back(parse_file(name, entry));
    return result;
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
}

std::optional<std::vector<TreeFile>> read_tree(const CachedRepo& repo, std::string_view commit) {
  const fs::path file = repo.tree(commit);
  try {
    return parse_tree(read_file(file), file.string());
  } catch (const Error&) {
    return std::nullopt;
  }
}

void write_tree(const CachedRepo& repo, std::string_view commit, const std::vector<TreeFile>& files) {
  std::vector<const TreeFile*> sorted;
  for (const TreeFile& file : files) sorted.push_back(&file);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  // Put together by hand: finding keys of an ordered object is quadratic in their number.
  std::string text = "{\n \"format_version\": 1,\n \"files\": {";
  const char* separator = "\n";
  for (const TreeFile* file : sorted) {
    Json entry{{"size", file->size_bytes}, {"blob_id", file->git_sha1}};
    if (!file->sha256.empty()) {
      entry["lfs_sha256"] = file->sha256;
      entry["lfs_size"] = file->size_bytes;
    }
    if (!file->xet_hash.empty()) entry["xet_hash"] = file->xet_hash;
    text += fmt::format("{}  {}: {}", separator, Json(file->name).dump(), entry.dump());
    separator = ",\n";
  }
  repo.put_file(repo.tree(commit), text + "\n }\n}");
}

}  // namespace pome::store
