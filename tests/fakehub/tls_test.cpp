// Certificates that are trusted, and those that are not; where tokens go.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "fakehub/fake_hub.h"
#include "hub/hub.h"

namespace pome::hub {
namespace {

using fakehub::Certificate;
using fakehub::FakeHub;
using fakehub::Model;

const std::string commit(40, 'c');

void fill(FakeHub& fake) {
  Model model;
  model.files["config.json"] = fakehub::content_of("{\"a\":1}", false);
  model.files["model.safetensors"] = fakehub::content_of(std::string(5000, 'w'), true);
  fake.add("org/name", std::move(model));
}

struct Tls : testing::Test {
  ScratchFolder scratch;
  Certificate authority = fakehub::make_authority();
  Options options;
  std::string message, hint;

  Tls() { options.first_wait = std::chrono::milliseconds(1); }

  std::string file(const std::string& name, const std::string& text) const {
    write_file_atomic(scratch.path() / name, text);
    return (scratch.path() / name).string();
  }

  // "" where the model is read, else what the Error says.
  std::string refusal(const Certificate& certificate) {
    FakeHub fake(0, &certificate);
    fill(fake);
    options.endpoint = fake.endpoint();
    try {
      Hub hub(options);
      EXPECT_EQ(hub.model("org/name").id, "org/name");
      EXPECT_EQ(hub.read("org/name", commit, "model.safetensors", 0, 10), std::string(10, 'w'));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::network);
      EXPECT_TRUE(fake.seen().empty());  // no request, so no token either
      hint = error.hint();
      return error.what();
    }
    return {};
  }
};

TEST_F(Tls, AnAuthorityOfOnesOwn) {
  const Certificate certificate = fakehub::make_certificate(authority);
  options.ca_file = file("ca.pem", authority.pem);
  EXPECT_EQ(refusal(certificate), "");
}

TEST_F(Tls, TheVariablesThatNameIt) {
  const char* names[]{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};
  std::map<std::string, std::string> before;
  for (const char* name : names) {
    if (const char* value = ::getenv(name)) before[name] = value;
    ::unsetenv(name);
  }
  const std::string ca = file("ca.pem", authority.pem);
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    ::setenv(name, ca.c_str(), 1);
    options = Options::from_environment();
    EXPECT_EQ(options.ca_file, ca);
    EXPECT_EQ(options.ca_variable, name);
    options.proxies = {};
    EXPECT_EQ(refusal(fakehub::make_certificate(authority)), "") << name;
    ::unsetenv(name);
  }
  for (const char* name : {"SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}) {
    ::setenv(name, scratch.path().c_str(), 1);
    options = Options::from_environment();
    EXPECT_EQ(options.ca_folder, scratch.path().string());
    EXPECT_EQ(options.ca_file, "");
    ::unsetenv(name);
  }
  for (const auto& [name, value] : before) ::setenv(name.c_str(), value.c_str(), 1);
}

TEST_F(Tls, WhatIsNotTrustedIsRefusedAtOnceWithAHint) {
  int retries = 0;
  options.on_retry = [&](const Retry&) { ++retries; };
  options.token = "hf_secret";
  EXPECT_NE(refusal(fakehub::make_self_signed()).find("its certificate is not trusted"), std::string::npos);
  EXPECT_NE(hint.find("SSL_CERT_FILE"), std::string::npos) << hint;
  EXPECT_NE(refusal(fakehub::make_certificate(authority)).find("its certificate is not trusted"),
            std::string::npos);
  EXPECT_EQ(retries, 0);
}

TEST_F(Tls, AnotherHostsOrAnotherTimesCertificateIsRefused) {
  options.ca_file = file("ca.pem", authority.pem);
  const std::string other = refusal(fakehub::make_certificate(authority, {.names = {"hub.example"}}));
  EXPECT_NE(other.find("is for another host"), std::string::npos) << other;
  const std::string old =
      refusal(fakehub::make_certificate(authority, {.valid_from_days = -9, .valid_to_days = -1}));
  EXPECT_NE(old.find("not valid at this machine's time"), std::string::npos) << old;
  EXPECT_NE(hint.find("date"), std::string::npos) << hint;
  const std::string early =
      refusal(fakehub::make_certificate(authority, {.valid_from_days = 2, .valid_to_days = 9}));
  EXPECT_NE(early.find("not valid at this machine's time"), std::string::npos) << early;
}

TEST_F(Tls, AFileWithoutCertificatesIsNamed) {
  options.ca_file = file("none.pem", "nothing");
  options.ca_variable = "SSL_CERT_FILE";
  const std::string text = refusal(fakehub::make_certificate(authority));
  EXPECT_NE(text.find("none.pem"), std::string::npos) << text;
  EXPECT_EQ(hint, "unset SSL_CERT_FILE");
  options.ca_file = (scratch.path() / "absent.pem").string();
  EXPECT_NE(refusal(fakehub::make_certificate(authority)).find("absent.pem"), std::string::npos);
}

TEST_F(Tls, AnAddressThatSpeaksNoTls) {
  FakeHub fake;
  options.endpoint = "https" + fake.endpoint().substr(4);
  try {
    Hub(options).model("org/name");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("does not speak TLS"), std::string::npos) << error.what();
  }
}

// Where redirects lead: the token stays, and https stays https.
struct Redirects : Tls {
  Certificate certificate = fakehub::make_certificate(authority);
  FakeHub plain, secure{0, &certificate}, other{0, &certificate};

  Redirects() {
    options.ca_file = file("ca.pem", authority.pem);
    options.token = "hf_secret";
    for (FakeHub* hub : {&plain, &secure, &other}) fill(*hub);
  }

  std::string read(const FakeHub& from) {
    options.endpoint = from.endpoint();
    try {
      return Hub(options).read("org/name", commit, "config.json", 0, 100);
    } catch (const Error& error) {
      hint = error.hint();
      return error.what();
    }
  }
};

TEST_F(Redirects, NeverFromHttpsToHttp) {
  secure.add({.kind = "redirect", .text = plain.endpoint() + "/org/name/resolve/main/config.json"});
  EXPECT_NE(read(secure).find("from https to http"), std::string::npos);
  EXPECT_TRUE(plain.seen().empty());
}

TEST_F(Redirects, TheTokenStaysWithTheEndpoint) {
  const std::string there = "/org/name/resolve/main/config.json";
  for (const auto& [from, to] : {std::pair(&secure, &other), std::pair(&plain, &secure)}) {
    from->forget();
    to->forget();
    from->add({.kind = "redirect", .text = to->endpoint() + there});
    EXPECT_EQ(read(*from), "{\"a\":1}");
    ASSERT_EQ(from->seen().size(), 1u);
    ASSERT_EQ(to->seen().size(), 1u);
    EXPECT_EQ(from->seen()[0].authorization, "Bearer hf_secret");
    EXPECT_EQ(to->seen()[0].authorization, "");
  }
  // Away and back: it is the endpoint again.
  secure.forget();
  secure.add({.kind = "redirect", .text = other.endpoint() + there});
  other.add({.kind = "redirect", .text = secure.endpoint() + there});
  EXPECT_EQ(read(secure), "{\"a\":1}");
  EXPECT_EQ(secure.seen().size(), 2u);
}

TEST_F(Redirects, ATokenInAnAddressIsNoCredentialOfOurs) {
  const std::string user = "https://user:password@127.0.0.1:" + std::to_string(other.port());
  secure.add({.kind = "redirect", .text = user + "/org/name/resolve/main/none.json"});
  const std::string text = read(secure);
  EXPECT_EQ(text.find("password"), std::string::npos) << text;
  for (const auto& seen : other.seen()) EXPECT_EQ(seen.authorization.find("hf_secret"), std::string::npos);
}

TEST_F(Redirects, AnApiThatMovedSaysWhereTo) {
  plain.add({.kind = "redirect", .path = "/api/", .text = secure.endpoint() + "/api/models/org/name"});
  options.endpoint = plain.endpoint();
  try {
    Hub(options).model("org/name");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::network);
    EXPECT_EQ(error.hint(), "export HF_ENDPOINT=" + secure.endpoint());
  }
  EXPECT_TRUE(secure.seen().empty());
}

TEST_F(Redirects, CirclesBetweenHostsEnd) {
  const std::string there = "/org/name/resolve/main/config.json";
  secure.add({.kind = "redirect", .times = -1, .text = other.endpoint() + there});
  other.add({.kind = "redirect", .times = -1, .text = secure.endpoint() + there});
  EXPECT_NE(read(secure).find("redirects"), std::string::npos);
  EXPECT_LE(secure.seen().size() + other.seen().size(), 12u);
}

}  // namespace
}  // namespace pome::hub
