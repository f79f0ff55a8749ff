// Addresses.
#pragma once

#include <string>
#include <string_view>

namespace pome::hub {

bool is_web_address(std::string_view url);  // http or https, with a host

// Percent-encodes what may not stand in a path; encode_path keeps the slashes.
std::string encode_part(std::string_view text);
std::string encode_path(std::string_view text);

// Where a redirect from `url` leads. Throws Error(network) for what is no web address, and from https to
// http.
std::string follow(const std::string& url, std::string_view location);

// Scheme, host and port are the same: what a token may be sent to.
bool same_origin(const std::string& a, const std::string& b);

// For messages: without user, password and query, which may be secrets.
std::string shown_address(const std::string& url);
std::string host_of(const std::string& url);  // "127.0.0.1:8080"

bool has_user(const std::string& url);  // a user stands before the host

struct HostAndPort {
  std::string host, port;  // the scheme's port where none is given
};
HostAndPort host_and_port(const std::string& url);

}  // namespace pome::hub
