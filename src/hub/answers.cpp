#include "hub/answers.h"

#include "base/error.h"
#include "hub/headers.h"
#include "hub/names.h"

namespace pome::hub {
namespace {

constexpr int deepest = 100;

Json parse(std::string_view json, std::string_view subject) { return parse_json(json, subject, deepest); }

std::string text_of(const Json& object, std::string_view key) {
  return shown_text(json_value<std::string>(object, key, ""));
}

RepoFile parse_entry(const Json& entry) {
  RepoFile file{.name = json_value<std::string>(entry, "path", ""),
                .size_bytes = json_value<std::uint64_t>(entry, "size", 0),
                .git_sha1 = json_value<std::string>(entry, "oid", ""),
                .sha256 = {},
                .xet_hash = json_value<std::string>(entry, "xetHash", "")};
  if (!is_file_name(file.name)) {
    fail(ErrorKind::corrupt, "\"{}\" cannot be a file of a repository", shown_text(file.name));
  }
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object()) {
    file.sha256 = json_value<std::string>(*lfs, "oid", "");
    file.size_bytes = json_value<std::uint64_t>(*lfs, "size", file.size_bytes);
    if (!is_sha256(file.sha256)) fail(ErrorKind::corrupt, "{}: lfs.oid is not 64 hex digits", file.name);
  }
  if (!is_git_sha1(file.git_sha1)) fail(ErrorKind::corrupt, "{}: oid is not 40 hex digits", file.name);
  if (!file.xet_hash.empty() && !is_sha256(file.xet_hash)) {
    fail(ErrorKind::corrupt, "{}: xetHash is not 64 hex digits", file.name);
  }
  return file;
}

}  // namespace

ModelInfo parse_model_info(std::string_view json, std::string_view subject) {
  ModelInfo info;
  info.raw = parse(json, subject);
  try {
    if (!info.raw.is_object()) fail(ErrorKind::corrupt, "expected an object");
    info.id = json_value<std::string>(info.raw, "id", "");
    info.commit = json_value<std::string>(info.raw, "sha", "");
    if (!is_commit(info.commit)) {
      fail(ErrorKind::corrupt, "sha: expected a commit of 40 hex digits, found \"{}\"",
           shown_text(info.commit));
    }
    // Renamed repositories tell their new name; what is no name is of no use.
    if (const auto name = parse_repo_name(info.id); !name || !name->revision.empty()) info.id.clear();
    // false, "auto" or "manual"
    if (const auto gated = info.raw.find("gated"); gated != info.raw.end()) {
      info.gated = gated->is_string() || (gated->is_boolean() && gated->get<bool>());
    }
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
  return info;
}

std::vector<RepoFile> parse_tree_page(std::string_view json, std::string_view subject) {
  const Json page = parse(json, subject);
  try {
    if (!page.is_array()) fail(ErrorKind::corrupt, "expected an array of files");
    std::vector<RepoFile> files;
    for (const Json& entry : page) {
      if (!entry.is_object()) fail(ErrorKind::corrupt, "expected objects with \"path\"");
      if (json_value<std::string>(entry, "type", "") == "file") files.push_back(parse_entry(entry));
    }
    return files;
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
}

Account parse_account(std::string_view json, std::string_view subject) {
  const Json answer = parse(json, subject);
  try {
    if (!answer.is_object()) fail(ErrorKind::corrupt, "expected an object");
    Account account{.name = text_of(answer, "name"),
                    .full_name = text_of(answer, "fullname"),
                    .organizations = {},
                    .token_name = {},
                    .token_role = {}};
    if (account.name.empty()) fail(ErrorKind::corrupt, "name is missing");
    if (const auto orgs = answer.find("orgs"); orgs != answer.end() && orgs->is_array()) {
      for (const Json& org : *orgs) {
        if (org.is_object()) account.organizations.push_back(text_of(org, "name"));
      }
    }
    if (const auto auth = answer.find("auth"); auth != answer.end() && auth->is_object()) {
      if (const auto token = auth->find("accessToken"); token != auth->end() && token->is_object()) {
        account.token_name = text_of(*token, "displayName");
        account.token_role = text_of(*token, "role");
      }
    }
    return account;
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
}

}  // namespace pome::hub
