// What may become part of a path or an address. Everything a user writes or a server answers passes one of
// these before it names a file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pome::hub {

// "org/name[@revision]" as people write models.
struct RepoName {
  std::string org, name;
  std::string revision;  // empty: main

  std::string id() const { return org + "/" + name; }
  std::string revision_or_main() const { return revision.empty() ? "main" : revision; }
};

// Nothing where the text has another shape, or a part that the Hub does not allow.
std::optional<RepoName> parse_repo_name(std::string_view text);

// One part of a repository's id: up to 96 letters, digits, - _ . without -- or .. and none of - . at an end.
bool is_repo_part(std::string_view text);

bool is_lower_hex(std::string_view text);  // at least one digit
bool is_commit(std::string_view text);     // 40 hex digits
bool is_git_sha1(std::string_view text);   // 40: how the Hub names small files
bool is_sha256(std::string_view text);     // 64: how it names large ones, and Xet its own
bool is_blob_name(std::string_view text);  // either of the two
bool is_revision(std::string_view text);   // a branch, tag or commit: a path that stays below refs/
bool is_file_name(std::string_view text);  // a path inside a repository, harmless on every system

}  // namespace pome::hub
