#include "hub/names.h"

#include <algorithm>

namespace pome::hub {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

// Whether every part between slashes is there and `good`.
template <class Good>
bool all_parts(std::string_view text, Good good) {
  while (true) {
    const std::size_t slash = text.find('/');
    if (!good(text.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// A name that stays what it is under the rules of POSIX and of Windows: no drive, no stream, no parent.
bool is_file_part(std::string_view part) {
  constexpr std::size_t longest = 255;  // of most file systems
  return !part.empty() && part.size() <= longest && part != "." && part != ".." &&
         std::none_of(part.begin(), part.end(),
                      [](char c) { return is_control(c) || c == '\\' || c == ':'; });
}

}  // namespace

bool is_repo_part(std::string_view text) {
  return !text.empty() && text.size() <= 96 && std::all_of(text.begin(), text.end(), is_plain) &&
         text.front() != '-' && text.front() != '.' && text.back() != '-' && text.back() != '.' &&
         text.find("--") == std::string_view::npos && text.find("..") == std::string_view::npos;
}

std::optional<RepoName> parse_repo_name(std::string_view text) {
  RepoName result;
  if (const auto at = text.find('@'); at != std::string_view::npos) {
    result.revision = text.substr(at + 1);
    text = text.substr(0, at);
    if (result.revision.empty()) return std::nullopt;
  }
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  result.org = text.substr(0, slash);
  result.name = text.substr(slash + 1);
  if (!is_repo_part(result.org) || !is_repo_part(result.name)) return std::nullopt;
  return result;
}

bool is_lower_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool is_commit(std::string_view text) { return text.size() == 40 && is_lower_hex(text); }
bool is_git_sha1(std::string_view text) { return is_commit(text); }
bool is_sha256(std::string_view text) { return text.size() == 64 && is_lower_hex(text); }
bool is_blob_name(std::string_view text) { return is_git_sha1(text) || is_sha256(text); }

bool is_revision(std::string_view text) {
  return !text.empty() && text.size() <= 255 && all_parts(text, [](std::string_view part) {
    return is_file_part(part) && part.find_first_of("~^?*[ ") == std::string_view::npos;  // git's own rules
  });
}

bool is_file_name(std::string_view text) {
  return !text.empty() && text.size() <= 1024 && all_parts(text, is_file_part);
}

}  // namespace pome::hub
