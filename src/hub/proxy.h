// Which proxy a host is asked through.
#pragma once

#include <string>
#include <string_view>

namespace pome::hub {

struct Proxy {
  std::string address;   // "http://user:password@host:3128"; empty: none, the host is asked directly
  std::string variable;  // that names it, or that excepts the host from it; empty: none is set
};

// What the environment says, in the spellings that curl and Python's clients read; a lower-case name counts
// before its upper-case twin. Immutable, thread-safe.
class Proxies {
 public:
  Proxies() = default;  // none

  // http_proxy, https_proxy, all_proxy and no_proxy. HTTP_PROXY is not read where REQUEST_METHOD is set:
  // there it is a header that a stranger sent (httpoxy).
  static Proxies from_environment();

  Proxy for_url(const std::string& url) const;

 private:
  Proxy http_, https_;
  std::string exceptions_, exceptions_variable_;
};

// Whether a list like no_proxy's names a host: "*", a domain (with all below it), an address, a network
// ("10.0.0.0/8"), each with a port or without; separated by commas or blanks.
bool names_host(std::string_view list, std::string_view host, std::string_view port);

}  // namespace pome::hub
