#include "hub/proxy.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <string>

namespace pome::hub {
namespace {

TEST(NoProxy, NamesHostsDomainsAddressesAndNetworks) {
  for (const char* list :
       {"hub.example", ".hub.example", "*.hub.example", "a.example, hub.example", "example", "HUB.EXAMPLE",
        "hub.example:443", "x y hub.example", "*", "hub.example."}) {
    EXPECT_TRUE(names_host(list, "hub.example", "443")) << list;
  }
  EXPECT_TRUE(names_host("hub.example", "cdn.hub.example", "443"));
  for (const char* list :
       {"", ",", "ub.example", "hub.example.org", "hub.example:80", "hub", ".", "1.2.3.4", ":443"}) {
    EXPECT_FALSE(names_host(list, "hub.example", "443")) << list;
  }
  for (const char* list : {"10.1.2.3", "10.0.0.0/8", "10.1.2.3:443", "10.1.2.0/30", "0.0.0.0/0"}) {
    EXPECT_TRUE(names_host(list, "10.1.2.3", "443")) << list;
  }
  for (const char* list :
       {"10.1.2.4", "11.0.0.0/8", "2.3", "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/x", "::/0"}) {
    EXPECT_FALSE(names_host(list, "10.1.2.3", "443")) << list;
  }
  for (const char* list : {"::1", "[::1]", "[::1]:443", "::/64"}) {
    EXPECT_TRUE(names_host(list, "[::1]", "443")) << list;
  }
  EXPECT_FALSE(names_host("[::1]:80", "[::1]", "443"));
}

struct ProxyVariables : testing::Test {
  static constexpr const char* names[]{"http_proxy",  "HTTP_PROXY", "https_proxy",
                                       "HTTPS_PROXY", "all_proxy",  "ALL_PROXY",
                                       "no_proxy",    "NO_PROXY",   "REQUEST_METHOD"};
  std::map<std::string, std::string> before;
  ProxyVariables() {
    for (const char* name : names) {
      if (const char* value = ::getenv(name)) before[name] = value;
      ::unsetenv(name);
    }
  }
  ~ProxyVariables() override {
    for (const char* name : names) ::unsetenv(name);
    for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
  }

  static Proxy of(const std::string& url) { return Proxies::from_environment().for_url(url); }
};

TEST_F(ProxyVariables, TheSchemesOwnCountsFirstAndLowerCaseFirst) {
  EXPECT_EQ(of("https://hub.example/x").address, "");
  ::setenv("ALL_PROXY", "socks5h://every:1", 1);
  EXPECT_EQ(of("https://hub.example/x").address, "socks5h://every:1");
  ::setenv("HTTPS_PROXY", "upper:3128", 1);
  EXPECT_EQ(of("https://hub.example/x").address, "http://upper:3128");
  EXPECT_EQ(of("http://hub.example/x").variable, "ALL_PROXY");
  ::setenv("https_proxy", "http://u:p@lower:3128", 1);
  EXPECT_EQ(of("https://hub.example/x").address, "http://u:p@lower:3128");
  EXPECT_EQ(of("https://hub.example/x").variable, "https_proxy");
  ::setenv("NO_PROXY", "hub.example", 1);
  EXPECT_EQ(of("https://hub.example/x").address, "");
  EXPECT_EQ(of("https://hub.example/x").variable, "NO_PROXY");
  EXPECT_EQ(of("https://other.example/x").variable, "https_proxy");
}

TEST_F(ProxyVariables, AHeaderOfAStrangerNamesNoProxy) {
  ::setenv("HTTP_PROXY", "http://proxy:3128", 1);
  EXPECT_EQ(of("http://hub.example/").variable, "HTTP_PROXY");
  ::setenv("REQUEST_METHOD", "GET", 1);
  EXPECT_EQ(of("http://hub.example/").address, "");
}

}  // namespace
}  // namespace pome::hub
