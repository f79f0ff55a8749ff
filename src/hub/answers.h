// What the Hub's API answers, parsed and checked. Pure functions over untrusted text: Error(corrupt) or
// values whose names, commits and digests are harmless as paths (names.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pome::hub {

// A file of a commit.
struct RepoFile {
  std::string name;  // path inside the repository
  std::uint64_t size_bytes = 0;
  std::string git_sha1;  // of the file, or of the pointer that git keeps for a large one
  std::string sha256;    // empty: a small file
  std::string xet_hash;  // empty: none

  // What its blob is called: the digest of its content.
  const std::string& etag() const { return sha256.empty() ? git_sha1 : sha256; }
};

// /api/models/{id}
struct ModelInfo {
  std::string id;      // as the Hub calls it now: another one than asked for where it was renamed
  std::string commit;  // of the revision asked for
  bool gated = false;
  Json raw;  // everything: tags, downloads, config, safetensors, …
};
ModelInfo parse_model_info(std::string_view json, std::string_view subject);

// One page of /api/models/{id}/tree/{revision}: its files, folders left out.
std::vector<RepoFile> parse_tree_page(std::string_view json, std::string_view subject);

// /api/whoami-v2
struct Account {
  std::string name;
  std::string full_name;
  std::vector<std::string> organizations;
  std::string token_name;  // and what it may do: read, write, fineGrained
  std::string token_role;
};
Account parse_account(std::string_view json, std::string_view subject);

}  // namespace pome::hub
