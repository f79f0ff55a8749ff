#include "hub/hub.h"

#include <set>

#include "base/error.h"
#include "hub/names.h"
#include "hub/status.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

constexpr std::size_t most_files = 200'000;
constexpr int most_pages = 1000;

void check_id(std::string_view id) {
  const auto name = parse_repo_name(id);
  if (!name || !name->revision.empty()) {
    fail(ErrorKind::usage, "\"{}\" is no model's name: expected org/name", shown_text(id));
  }
}

void check_revision(std::string_view revision) {
  if (!is_revision(revision)) fail(ErrorKind::usage, "\"{}\" cannot be a revision", shown_text(revision));
}

}  // namespace

std::string Hub::file_address(std::string_view id, std::string_view commit, std::string_view file) const {
  return fmt::format("{}/{}/resolve/{}/{}", options().endpoint, id, encode_part(commit), encode_path(file));
}

Error Hub::refusal(const Answer& answer, std::string_view subject) const {
  const std::string code = shown_text(answer.headers.find("x-error-code").value_or(""));
  const std::string message = shown_text(answer.headers.find("x-error-message").value_or(""));
  const std::string host = host_of(options().endpoint);
  const std::string id(subject.substr(0, subject.find('@')));
  const bool has_token = !options().token.empty();
  if (code == "GatedRepo") {
    return error(ErrorKind::refused, "{}: gated: its owners decide who may download it", id)
        .with_hint(fmt::format("ask for access at {}/{}{}", options().endpoint, id,
                               has_token ? ", with the account of your token" : ", then: pome login"));
  }
  if (answer.status == 401 && message.find("credentials") != std::string::npos) {
    return error(ErrorKind::refused, "{}: the access token is not valid", host).with_hint("pome login");
  }
  if (code == "RevisionNotFound") {
    return error(ErrorKind::not_found, "{}: no such revision on {}", subject, host);
  }
  if (code == "EntryNotFound") return error(ErrorKind::not_found, "{}: no such file on {}", subject, host);
  if (code == "RepoNotFound" || answer.status == 401 || answer.status == 404) {
    return error(ErrorKind::not_found, "{}: no such model on {}{}", id, host,
                 has_token ? "" : ", or a private one")
        .with_hint(fmt::format("pome search {}", id.substr(id.find('/') + 1)));
  }
  if (answer.status == 407) return describe_login(options().proxies.for_url(answer.url)).as_error();
  if (const auto location = answer.headers.find("location"); location && is_redirect(answer.status)) {
    // Answers of the API are taken from the Hub alone: what it is has to be said by the user.
    const std::string to = follow(answer.url, *location);
    const std::string scheme = to.substr(0, to.find(':'));
    return error(ErrorKind::network, "{}: redirects to {}, which is not asked in its place", host,
                 shown_address(to))
        .with_hint(fmt::format("export HF_ENDPOINT={}://{}", scheme, host_of(to)));
  }
  if (answer.status == 403 || answer.status == 451) {
    return error(ErrorKind::refused, "{}: {} refuses: {}", id, host,
                 message.empty() ? status_text(answer.status) : message);
  }
  return error(ErrorKind::network, "{}: {}{}{}", host, status_text(answer.status),
               message.empty() ? "" : ": ", message);
}

Answer Hub::ask(const std::string& address, std::string_view subject) {
  // A renamed model is a redirect on the Hub itself; nothing else may answer for it.
  Answer answer =
      client_.fetch({.url = address, .head = false, .headers = {"Accept: application/json"}},
                    {.most_body_bytes = std::uint64_t{64} << 20, .redirects = Follow::same_origin});
  if (!answer.good()) throw refusal(answer, subject);
  return answer;
}

ModelInfo Hub::model(std::string_view id, std::string_view revision) {
  check_id(id);
  check_revision(revision);
  const std::string subject = revision == "main" ? std::string(id) : fmt::format("{}@{}", id, revision);
  const Answer answer = ask(
      fmt::format("{}/api/models/{}/revision/{}", options().endpoint, id, encode_part(revision)), subject);
  ModelInfo info = parse_model_info(answer.body, fmt::format("{}: answer of {}", id, host_of(answer.url)));
  if (info.id.empty()) info.id = id;
  return info;
}

std::vector<RepoFile> Hub::files(std::string_view id, std::string_view commit) {
  check_id(id);
  check_revision(commit);
  std::vector<RepoFile> files;
  std::set<std::string> names;
  std::string address =
      fmt::format("{}/api/models/{}/tree/{}?recursive=true", options().endpoint, id, encode_part(commit));
  for (int page = 0; !address.empty(); ++page) {
    const Answer answer = ask(address, id);
    for (RepoFile& file : parse_tree_page(answer.body, fmt::format("{}: list of files", id))) {
      if (!names.insert(file.name).second) {
        fail(ErrorKind::corrupt, "{}: list of files: \"{}\" occurs twice", id, shown_text(file.name));
      }
      files.push_back(std::move(file));
    }
    if (files.size() > most_files || page == most_pages) {
      fail(ErrorKind::corrupt, "{}: list of files: more than {} files or {} pages", id, most_files,
           most_pages);
    }
    const auto link = parse_next_link(answer.headers.find("link").value_or(""));
    address = link ? follow(answer.url, *link) : "";
    if (link && !same_origin(address, options().endpoint)) {
      fail(ErrorKind::corrupt, "{}: list of files: goes on at {}, not on {}", id, shown_address(address),
           host_of(options().endpoint));
    }
  }
  return files;
}

Hub::Page Hub::get(std::string_view path, const Query& query) {
  std::string address = fmt::format("{}/{}", options().endpoint, encode_path(path));
  char separator = '?';
  for (const auto& [key, value] : query) {
    address += fmt::format("{}{}={}", separator, encode_part(key), encode_part(value));
    separator = '&';
  }
  return get_page(address);
}

Hub::Page Hub::get_page(const std::string& address) {
  const std::string subject = shown_address(address);
  const Answer answer = ask(address, subject);
  const auto link = parse_next_link(answer.headers.find("link").value_or(""));
  Page page{.json = parse_json(answer.body, subject), .next = link ? follow(answer.url, *link) : ""};
  if (!page.next.empty() && !same_origin(page.next, options().endpoint)) page.next.clear();
  return page;
}

std::string Hub::read(std::string_view id, std::string_view commit, std::string_view file,
                      std::uint64_t first, std::uint64_t count) {
  check_id(id);
  check_revision(commit);
  if (!is_file_name(file)) fail(ErrorKind::usage, "\"{}\" cannot be a file of a model", shown_text(file));
  if (count == 0) return {};
  const std::string subject = fmt::format("{}: {}", id, file);
  const Answer answer =
      client_.fetch({.url = file_address(id, commit, file),
                     .head = false,
                     .headers = {fmt::format("Range: bytes={}-{}", first, first + count - 1)}},
                    {.most_body_bytes = count, .redirects = Follow::all, .cut = first == 0});
  if (answer.status == 206) {
    const auto range = parse_content_range(answer.headers.find("content-range").value_or(""));
    if (!range || range->first != first || range->last >= first + count ||
        answer.body.size() != range->last - range->first + 1) {
      fail(ErrorKind::network, "{}: asked for bytes {} to {}, got others", subject, first, first + count - 1);
    }
    return answer.body;
  }
  if (answer.status == 416) return {};  // beyond the end
  if (answer.status == 200 && first == 0) return answer.body;
  if (answer.status == 200) {
    fail(ErrorKind::network, "{}: {} does not send parts of files", subject, host_of(answer.url));
  }
  throw refusal(answer, id);
}

Account Hub::whoami() {
  if (options().token.empty()) throw Error(ErrorKind::refused, "not logged in").with_hint("pome login");
  const std::string host = host_of(options().endpoint);
  const Answer answer =
      client_.fetch({.url = options().endpoint + "/api/whoami-v2", .head = false, .headers = {}},
                    {.most_body_bytes = 1 << 20, .redirects = Follow::same_origin});
  if (answer.status == 401 || answer.status == 403) {
    throw error(ErrorKind::refused, "{}: the access token is not valid", host).with_hint("pome login");
  }
  if (!answer.good()) throw refusal(answer, host);
  return parse_account(answer.body, fmt::format("{}: answer", host));
}

}  // namespace pome::hub
