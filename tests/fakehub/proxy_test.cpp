// The Hub through a proxy.
#include "fakehub/proxy.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "fakehub/fake_hub.h"
#include "hub/download.h"
#include "hub/journal.h"

namespace pome::hub {
namespace {

using fakehub::Certificate;
using fakehub::FakeHub;
using fakehub::Model;
using fakehub::Proxy;

const std::string commit(40, 'c');

struct ThroughProxy : testing::Test {
  static constexpr const char* names[]{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                       "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
  std::map<std::string, std::string> before;
  ScratchFolder scratch;
  Certificate authority = fakehub::make_authority();
  // Only the proxy knows this name.
  Certificate certificate = fakehub::make_certificate(authority, {.names = {"hub.example", "127.0.0.1"}});
  FakeHub plain, secure{0, &certificate};
  Proxy proxy;
  std::string hint, weights;
  int retries = 0;

  ThroughProxy() {
    for (const char* name : names) {
      if (const char* value = ::getenv(name)) before[name] = value;
      ::unsetenv(name);
    }
    write_file_atomic(scratch.path() / "ca.pem", authority.pem);
    for (std::size_t i = 0; i < 3 * segment_bytes + 5; ++i) weights += static_cast<char>(i * i >> 7);
    for (FakeHub* hub : {&plain, &secure}) {
      Model model;
      model.files["config.json"] = fakehub::content_of("{\"a\":1}", false);
      model.files["model.safetensors"] = fakehub::content_of(weights, true);
      hub->add("org/name", std::move(model));
    }
  }
  ~ThroughProxy() override {
    for (const char* name : names) ::unsetenv(name);
    for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
  }

  std::string address(const std::string& login = "") const {
    return "http://" + login + (login.empty() ? "" : "@") + "127.0.0.1:" + std::to_string(proxy.port());
  }

  Options options(const std::string& endpoint) {
    Options result;
    result.endpoint = endpoint;
    result.ca_file = (scratch.path() / "ca.pem").string();
    result.token = "hf_secret";
    result.first_wait = std::chrono::milliseconds(1);
    result.on_retry = [this](const Retry&) { ++retries; };
    result.proxies = Proxies::from_environment();
    return result;
  }

  std::string read(const std::string& endpoint) {
    try {
      return Hub(options(endpoint)).read("org/name", commit, "config.json", 0, 100);
    } catch (const Error& error) {
      hint = error.hint();
      return error.what();
    }
  }

  std::string by_name() const { return "https://hub.example:" + std::to_string(secure.port()); }
};

TEST_F(ThroughProxy, HttpsByConnectInEverySpelling) {
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    ::setenv(name, address().c_str(), 1);
    const std::size_t seen = proxy.seen().size();
    EXPECT_EQ(read(by_name()), "{\"a\":1}") << name;
    ASSERT_EQ(proxy.seen().size(), seen + 1) << name;
    EXPECT_EQ(proxy.seen().back().method, "CONNECT");
    EXPECT_EQ(proxy.seen().back().target, "hub.example:" + std::to_string(secure.port()));
    // The proxy must not learn what is meant for the host behind it.
    EXPECT_EQ(proxy.seen().back().head.find("hf_secret"), std::string::npos);
    ::unsetenv(name);
  }
  EXPECT_EQ(secure.seen().back().authorization, "Bearer hf_secret");
}

TEST_F(ThroughProxy, HttpByWholeAddresses) {
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) {
    ::setenv(name, address().c_str(), 1);
    EXPECT_EQ(read("http://hub.example:" + std::to_string(plain.port())), "{\"a\":1}") << name;
    EXPECT_EQ(proxy.seen().back().method, "GET");
    ::unsetenv(name);
  }
}

TEST_F(ThroughProxy, ExceptedHostsAreAskedDirectly) {
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    ::setenv("https_proxy", "http://127.0.0.1:1", 1);
    ::setenv(name, "hub.example, 127.0.0.0/8", 1);
    EXPECT_EQ(read(secure.endpoint()), "{\"a\":1}");
    ::unsetenv(name);
  }
  EXPECT_TRUE(proxy.seen().empty());
}

TEST_F(ThroughProxy, WholeDownloadsWithRangesSideBySide) {
  ::setenv("https_proxy", address().c_str(), 1);
  secure.set_cdn(by_name());
  Hub hub(options(by_name()));
  const fakehub::Content content = fakehub::content_of(weights, true);
  // The name leads to the Hub's own port, which sends what the CDN would.
  Received received;
  Downloader(hub).fetch({.subject = "org/name: model.safetensors",
                         .address = hub.file_address("org/name", commit, "model.safetensors"),
                         .commit = commit,
                         .etag = content.sha256,
                         .size_bytes = weights.size(),
                         .folder = scratch.path() / "unfinished",
                         .target = scratch.path() / "model.safetensors"},
                        4, received);
  EXPECT_TRUE(read_file(scratch.path() / "model.safetensors") == weights);
  EXPECT_EQ(retries, 0);
  EXPECT_GE(proxy.seen().size(), 2u);
}

TEST_F(ThroughProxy, WithUserAndPassword) {
  proxy.set_login("user:p@ss");
  for (const auto& [variable, endpoint] :
       {std::pair("https_proxy", by_name()),
        std::pair("http_proxy", "http://hub.example:" + std::to_string(plain.port()))}) {
    ::setenv(variable, address("user:p%40ss").c_str(), 1);
    EXPECT_EQ(read(endpoint), "{\"a\":1}") << variable;
    ::setenv(variable, address("user:wrong").c_str(), 1);
    std::string text = read(endpoint);
    EXPECT_NE(text.find("does not take this user and password"), std::string::npos) << text;
    EXPECT_EQ(text.find("wrong"), std::string::npos) << text;
    EXPECT_EQ(hint.find("wrong"), std::string::npos) << hint;
    ::setenv(variable, address().c_str(), 1);
    text = read(endpoint);
    EXPECT_NE(text.find("asks for user and password"), std::string::npos) << text;
    EXPECT_NE(hint.find("USER:PASSWORD@127.0.0.1"), std::string::npos) << hint;
  }
  EXPECT_EQ(retries, 0);
}

TEST_F(ThroughProxy, AProxyThatRefusesOrIsNotThere) {
  ::setenv("https_proxy", address().c_str(), 1);
  proxy.refuse_with(403);
  std::string text = read(by_name());
  EXPECT_NE(text.find("refuses to connect: 403 Forbidden"), std::string::npos) << text;
  EXPECT_NE(hint.find("no_proxy=hub.example"), std::string::npos) << hint;
  EXPECT_EQ(retries, 0);
  proxy.refuse_with(503);
  text = read(by_name());
  EXPECT_NE(text.find("503"), std::string::npos) << text;
  EXPECT_GT(retries, 0);
  ::setenv("https_proxy", "http://127.0.0.1:1", 1);
  text = read(by_name());
  EXPECT_NE(text.find("cannot connect to the proxy 127.0.0.1:1 (https_proxy)"), std::string::npos) << text;
  EXPECT_EQ(hint, "unset https_proxy");
  ::setenv("https_proxy", "nonsense://x", 1);
  EXPECT_NE(read(by_name()).find("proxy"), std::string::npos);
}

TEST_F(ThroughProxy, ItsCertificateIsStillChecked) {
  ::setenv("https_proxy", address().c_str(), 1);
  const std::string text = read("https://other.example:" + std::to_string(secure.port()));
  EXPECT_NE(text.find("is for another host"), std::string::npos) << text;
}

}  // namespace
}  // namespace pome::hub
