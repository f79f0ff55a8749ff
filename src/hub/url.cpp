#include "hub/url.h"

#include <curl/curl.h>

#include <memory>

#include "base/error.h"

namespace pome::hub {
namespace {

using Parsed = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Parsed parse(const std::string& url) {
  Parsed parsed(curl_url(), curl_url_cleanup);
  if (!parsed || url.find('\0') != std::string::npos ||
      curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    parsed.reset();
  }
  return parsed;
}

std::string part(const Parsed& url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (!url || curl_url_get(url.get(), which, &text, flags) != CURLUE_OK) return {};
  std::string result(text);
  curl_free(text);
  return result;
}

std::string encode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

bool is_web_address(std::string_view url) {
  const Parsed parsed = parse(std::string(url));
  const std::string scheme = part(parsed, CURLUPART_SCHEME);
  return (scheme == "http" || scheme == "https") && !part(parsed, CURLUPART_HOST).empty();
}

std::string encode_part(std::string_view text) { return encode(text, false); }
std::string encode_path(std::string_view text) { return encode(text, true); }

std::string follow(const std::string& url, std::string_view location) {
  const Parsed parsed = parse(url);
  const std::string before = part(parsed, CURLUPART_SCHEME);
  const std::string to(location);
  std::string result;
  if (parsed && to.size() <= 16384 && to.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos &&
      curl_url_set(parsed.get(), CURLUPART_URL, to.c_str(), 0) == CURLUE_OK) {
    result = part(parsed, CURLUPART_URL);
  }
  if (!is_web_address(result))
    fail(ErrorKind::network, "{}: redirects to no web address", shown_address(url));
  if (before == "https" && part(parsed, CURLUPART_SCHEME) != "https") {
    fail(ErrorKind::network, "{}: redirects from https to {}, which is not followed", shown_address(url),
         shown_address(result));
  }
  return result;
}

bool same_origin(const std::string& a, const std::string& b) {
  const Parsed one = parse(a), two = parse(b);
  if (!one || !two) return false;
  for (const CURLUPart which : {CURLUPART_SCHEME, CURLUPART_HOST}) {
    if (part(one, which) != part(two, which) || part(one, which).empty()) return false;
  }
  return part(one, CURLUPART_PORT, CURLU_DEFAULT_PORT) == part(two, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

std::string host_of(const std::string& url) {
  const Parsed parsed = parse(url);
  const std::string host = part(parsed, CURLUPART_HOST), port = part(parsed, CURLUPART_PORT);
  return port.empty() ? host : host + ":" + port;
}

bool has_user(const std::string& url) { return !part(parse(url), CURLUPART_USER).empty(); }

HostAndPort host_and_port(const std::string& url) {
  const Parsed parsed = parse(url);
  return {.host = part(parsed, CURLUPART_HOST), .port = part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

std::string shown_address(const std::string& url) {
  const Parsed parsed = parse(url);
  if (!parsed) return "an address that is none";
  return fmt::format("{}://{}{}", part(parsed, CURLUPART_SCHEME), host_of(url), part(parsed, CURLUPART_PATH));
}

}  // namespace pome::hub
