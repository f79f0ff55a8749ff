#include "hub/proxy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/environment.h"
#include "base/letters.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

Proxy first_set(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (name == std::string_view("HTTP_PROXY") && !environment_variable("REQUEST_METHOD").empty()) continue;
    std::string value = environment_variable(name);
    if (value.empty()) continue;
    if (value.find("://") == std::string::npos) value = "http://" + value;
    return {.address = std::move(value), .variable = name};
  }
  return {};
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;  // 4 or 16
};

std::optional<Address> parse_address(std::string_view text) {
  const std::string word(text);
  Address address;
  if (::inet_pton(AF_INET, word.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
  } else if (::inet_pton(AF_INET6, word.c_str(), address.bytes.data()) == 1) {
    address.size = 16;
  } else {
    return std::nullopt;
  }
  return address;
}

bool is_in_network(const Address& host, std::string_view network) {
  const auto slash = network.find('/');
  const auto base = parse_address(network.substr(0, slash));
  if (!base || base->size != host.size) return false;
  std::size_t bits = 8 * base->size;
  if (slash != network.npos) {
    const char* const end = network.data() + network.size();
    std::size_t asked = 0;
    const auto [stop, code] = std::from_chars(network.data() + slash + 1, end, asked);
    if (code != std::errc{} || stop != end || asked > bits) return false;
    bits = asked;
  }
  for (std::size_t i = 0; i < bits; ++i) {
    if (((host.bytes[i / 8] ^ base->bytes[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

bool names(std::string_view entry, std::string_view host, std::string_view port) {
  if (entry == "*") return true;
  if (const auto colon = entry.rfind(':');
      colon != entry.npos && (entry.find(':') == colon || entry[colon - 1] == ']')) {
    if (entry.substr(colon + 1) != port) return false;
    entry = entry.substr(0, colon);
  }
  if (const auto address = parse_address(host)) return is_in_network(*address, without_brackets(entry));
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.ends_with('.')) entry.remove_suffix(1);
  if (entry.empty() || !host.ends_with(entry)) return false;
  return host.size() == entry.size() || host[host.size() - entry.size() - 1] == '.';
}

}  // namespace

bool names_host(std::string_view list, std::string_view host, std::string_view port) {
  const std::string all = lower(list), wanted = lower(without_brackets(host));
  for (std::size_t at = 0; (at = all.find_first_not_of(", \t", at)) != all.npos;) {
    const std::size_t end = std::min(all.find_first_of(", \t", at), all.size());
    if (names(std::string_view(all).substr(at, end - at), wanted, port)) return true;
    at = end;
  }
  return false;
}

Proxies Proxies::from_environment() {
  Proxies proxies;
  proxies.http_ = first_set({"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  proxies.https_ = first_set({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    if (!proxies.exceptions_.empty()) break;
    proxies.exceptions_ = environment_variable(name);
    proxies.exceptions_variable_ = name;
  }
  return proxies;
}

Proxy Proxies::for_url(const std::string& url) const {
  const Proxy& proxy = url.starts_with("https:") ? https_ : http_;
  if (proxy.address.empty()) return {};
  const HostAndPort where = host_and_port(url);
  if (names_host(exceptions_, where.host, where.port)) {
    return {.address = {}, .variable = exceptions_variable_};
  }
  return proxy;
}

}  // namespace pome::hub
