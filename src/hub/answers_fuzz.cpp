// Any bytes as an answer of the Hub: Error, or values whose names are harmless as paths. The text is tried as
// each of the bodies, and line by line as headers.
#include <cstdlib>

#include "base/error.h"
#include "hub/answers.h"
#include "hub/headers.h"
#include "hub/names.h"
#include "hub/url.h"

namespace {

using namespace pome;

void try_bodies(std::string_view text) {
  try {
    const hub::ModelInfo info = hub::parse_model_info(text, "input");
    if (!hub::is_commit(info.commit)) std::abort();
    if (!info.id.empty() && !hub::parse_repo_name(info.id)) std::abort();
  } catch (const Error&) {
  }
  try {
    for (const hub::RepoFile& file : hub::parse_tree_page(text, "input")) {
      if (!hub::is_file_name(file.name) || !hub::is_blob_name(file.etag())) std::abort();
      if (!file.xet_hash.empty() && !hub::is_sha256(file.xet_hash)) std::abort();
    }
  } catch (const Error&) {
  }
  try {
    static_cast<void>(hub::parse_account(text, "input"));
  } catch (const Error&) {
  }
}

void try_value(std::string_view value) {
  if (const auto range = hub::parse_content_range(value)) {
    if (range->last < range->first || (range->total && *range->total <= range->last)) std::abort();
  }
  if (const auto wait = hub::parse_retry_after(value, 1'700'000'000); wait && wait->count() < 0) std::abort();
  if (const auto wait = hub::parse_rate_limit(value); wait && wait->count() < 0) std::abort();
  static_cast<void>(hub::parse_next_link(value));
  static_cast<void>(hub::parse_etag(value));
  if (hub::shown_text(value).find_first_of("\r\n\x1b") != std::string::npos) std::abort();
  try {
    const std::string to = hub::follow("https://hub.example/a/b?c", value);
    if (!to.starts_with("https://")) std::abort();
    static_cast<void>(hub::same_origin(to, "https://hub.example"));
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_bodies(text);
  hub::Headers headers;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    headers.add(text.substr(at, end - at));
    at = end + 1;
  }
  for (const char* name :
       {"content-range", "etag", "link", "location", "retry-after", "ratelimit", "x-repo-commit"}) {
    if (const auto value = headers.find(name)) try_value(*value);
  }
  return 0;
}
