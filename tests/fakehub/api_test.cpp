// The Hub's API and the client beneath it, against a Hub that misbehaves.
#include <gtest/gtest.h>

#include "base/error.h"
#include "fakehub/fake_hub.h"
#include "hub/hub.h"

namespace pome::hub {
namespace {

using fakehub::FakeHub;
using fakehub::Model;

struct Api : testing::Test {
  FakeHub fake;
  Options options;
  std::vector<std::string> retries;

  Api() {
    options.endpoint = fake.endpoint();
    options.first_wait = std::chrono::milliseconds(1);
    options.answer_timeout = std::chrono::milliseconds(300);
    options.on_retry = [this](const Retry& retry) { retries.push_back(retry.reason); };
    Model model;
    model.files["config.json"] = fakehub::content_of("{\"a\":1}", false);
    model.files["model.safetensors"] = fakehub::content_of(std::string(5000, 'w'), true);
    model.revisions["v1"] = std::string(40, '1');
    fake.add("org/name", std::move(model));
  }

  ErrorKind kind_of(const std::function<void(Hub&)>& call) {
    Hub hub(options);
    try {
      call(hub);
    } catch (const Error& error) {
      message = error.what();
      hint = error.hint();
      return error.kind();
    }
    return ErrorKind::internal;
  }
  std::string message, hint;
};

TEST_F(Api, AModelItsFilesAndTheirHeaders) {
  Hub hub(options);
  const ModelInfo info = hub.model("org/name");
  EXPECT_EQ(info.id, "org/name");
  EXPECT_EQ(info.commit, std::string(40, 'c'));
  EXPECT_EQ(hub.model("org/name", "v1").commit, std::string(40, '1'));
  const std::vector<RepoFile> files = hub.files("org/name", info.commit);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, "config.json");
  EXPECT_EQ(files[0].etag().size(), 40u);
  EXPECT_EQ(files[1].size_bytes, 5000u);
  EXPECT_EQ(files[1].etag().size(), 64u);
  EXPECT_EQ(hub.read("org/name", info.commit, "config.json", 0, 100), "{\"a\":1}");
  EXPECT_EQ(hub.read("org/name", info.commit, "model.safetensors", 4998, 10), "ww");
  EXPECT_EQ(hub.read("org/name", info.commit, "model.safetensors", 5000, 10), "");
  EXPECT_EQ(hub.get("api/models", {{"search", "name"}}).json.size(), 1u);
}

TEST_F(Api, PagesAreFollowedAndNamesMustBeUnique) {
  Model model;
  for (int i = 0; i < 25; ++i) model.files[fmt::format("f{:02}", i)] = fakehub::content_of("x", false);
  fake.add("org/many", model);
  fake.set_page(10);
  Hub hub(options);
  EXPECT_EQ(hub.files("org/many", model.commit).size(), 25u);
  EXPECT_EQ(fake.seen().size(), 3u);
}

TEST_F(Api, HostileAnswersAreRefused) {
  const std::string sha1(40, 'a');
  for (const char* name : {"../x", "/etc/passwd", "a\\nb", "C:\\\\x", "a/../../b", ""}) {
    Model model;
    model.tree = fmt::format(R"([{{"type":"file","path":"{}","size":1,"oid":"{}"}}])", name, sha1);
    fake.add("org/bad", model);
    EXPECT_EQ(kind_of([](Hub& hub) { hub.files("org/bad", "main"); }), ErrorKind::corrupt) << name;
  }
  for (const char* row : {R"({"type":"file","path":"x","size":1,"oid":"../x"})",
                          R"({"type":"file","path":"x","size":-1,"oid":""})",
                          R"({"type":"file","path":"x","size":1,"oid":7})", "3"}) {
    Model model;
    model.tree = fmt::format("[{}]", row);
    fake.add("org/bad", model);
    EXPECT_EQ(kind_of([](Hub& hub) { hub.files("org/bad", "main"); }), ErrorKind::corrupt) << row;
  }
  Model model;
  model.tree = fmt::format(
      R"([{{"type":"file","path":"x","size":1,"oid":"{0}"}},{{"type":"file","path":"x","size":1,"oid":"{0}"}}])",
      sha1);
  fake.add("org/bad", model);
  EXPECT_EQ(kind_of([](Hub& hub) { hub.files("org/bad", "main"); }), ErrorKind::corrupt);
  EXPECT_NE(message.find("twice"), std::string::npos);

  for (const std::string& commit :
       {std::string("../../x"), std::string(39, 'a'), std::string(40, 'a') + "\n"}) {
    Model bad;
    bad.info["sha"] = commit;
    fake.add("org/bad", bad);
    EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/bad"); }), ErrorKind::corrupt) << commit;
  }
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("../x"); }), ErrorKind::usage);
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name", "../../x"); }), ErrorKind::usage);
}

TEST_F(Api, WhatIsNotThereOrNotAllowed) {
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/none"); }), ErrorKind::not_found);
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name", "v9"); }), ErrorKind::not_found);
  EXPECT_NE(message.find("org/name@v9"), std::string::npos);
  EXPECT_EQ(kind_of([](Hub& hub) { hub.read("org/name", "main", "none.json", 0, 9); }), ErrorKind::not_found);

  Model gated;
  gated.gated = true;
  gated.files["config.json"] = fakehub::content_of("{}", false);
  fake.add("org/gated", gated);
  fake.set_token("hf_secret");
  EXPECT_EQ(kind_of([](Hub& hub) { hub.read("org/gated", "main", "config.json", 0, 9); }),
            ErrorKind::refused);
  EXPECT_NE(hint.find("pome login"), std::string::npos);
  EXPECT_EQ(kind_of([](Hub& hub) { hub.whoami(); }), ErrorKind::refused);
  options.token = "hf_wrong";
  EXPECT_EQ(kind_of([](Hub& hub) { hub.whoami(); }), ErrorKind::refused);
  options.token = "hf_secret";
  Hub hub(options);
  EXPECT_EQ(hub.read("org/gated", "main", "config.json", 0, 9), "{}");
  EXPECT_EQ(hub.whoami().name, "tester");
  EXPECT_EQ(hub.whoami().organizations, std::vector<std::string>{"example"});
}

TEST_F(Api, ARenamedModelIsFollowed) {
  Model old;
  old.renamed_to = "org/name";
  fake.add("org/old", old);
  Hub hub(options);
  EXPECT_EQ(hub.model("org/old").id, "org/name");
  EXPECT_EQ(hub.files("org/old", "main").size(), 2u);
  EXPECT_EQ(hub.read("org/old", "main", "config.json", 0, 9), "{\"a\":1}");
}

TEST_F(Api, ATokenNeverLeavesTheEndpoint) {
  options.token = "hf_secret";
  Hub hub(options);
  hub.read("org/name", "main", "model.safetensors", 0, 10);
  const auto seen = fake.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].authorization, "Bearer hf_secret");
  EXPECT_TRUE(seen[1].cdn);
  EXPECT_EQ(seen[1].authorization, "");
}

TEST_F(Api, TransientFailuresAreTriedAgain) {
  for (const std::uint64_t status : {429, 500, 502, 503, 504, 408}) {
    fake.add({.kind = "status", .value = status, .path = "/api/", .times = 2, .text = "0"});
    Hub hub(options);
    EXPECT_EQ(hub.model("org/name").id, "org/name") << status;
    EXPECT_EQ(retries.size(), 2u) << status;
    retries.clear();
  }
  fake.add({.kind = "cut", .value = 5, .path = "/api/", .times = 2});
  EXPECT_EQ(Hub(options).model("org/name").id, "org/name");
  fake.add({.kind = "status", .value = 503, .path = "/api/", .times = 9});
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name"); }), ErrorKind::network);
  EXPECT_NE(message.find("503 Service Unavailable"), std::string::npos) << message;
  fake.clear_faults();
  fake.add({.kind = "status", .value = 429, .path = "/api/", .times = 9, .text = "100000"});
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name"); }), ErrorKind::network);
  EXPECT_NE(message.find("asks to wait 100000 s"), std::string::npos) << message;
}

TEST_F(Api, AStalledAnswerIsGivenUpAndAskedForAgain) {
  fake.add({.kind = "stall", .value = 3, .path = "/api/", .times = 1});
  EXPECT_EQ(Hub(options).model("org/name").id, "org/name");
  ASSERT_EQ(retries.size(), 1u);
  EXPECT_NE(retries[0].find("nothing came any more"), std::string::npos);
}

TEST_F(Api, RedirectsAreBoundedAndStayOnTheWeb) {
  fake.add({.kind = "loop", .path = "/resolve/", .times = -1});
  EXPECT_EQ(kind_of([](Hub& hub) { hub.read("org/name", "main", "config.json", 0, 9); }), ErrorKind::network);
  EXPECT_NE(message.find("redirects"), std::string::npos);
  fake.clear_faults();
  fake.add({.kind = "scheme", .path = "/resolve/", .times = -1});
  EXPECT_EQ(kind_of([](Hub& hub) { hub.read("org/name", "main", "config.json", 0, 9); }), ErrorKind::network);
}

TEST_F(Api, BytesNobodyAskedForAreRefused) {
  fake.add({.kind = "range", .path = {}});
  EXPECT_EQ(kind_of([](Hub& hub) { hub.read("org/name", "main", "model.safetensors", 0, 10); }),
            ErrorKind::network);
  fake.add({.kind = "whole", .times = -1});
  Hub hub(options);
  EXPECT_EQ(hub.read("org/name", "main", "model.safetensors", 0, 10), std::string(10, 'w'));
  EXPECT_EQ(kind_of([](Hub& h) { h.read("org/name", "main", "model.safetensors", 10, 10); }),
            ErrorKind::network);
}

TEST_F(Api, OfflineAsksNobody) {
  options.offline = true;
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name"); }), ErrorKind::not_found);
  EXPECT_TRUE(fake.seen().empty());
}

TEST_F(Api, NobodyThere) {
  options.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name"); }), ErrorKind::network);
  EXPECT_NE(message.find("cannot connect"), std::string::npos) << message;
}

TEST_F(Api, AnInterruptEndsTheWait) {
  fake.add({.kind = "stall", .value = 3, .path = "/api/", .times = -1});
  int asked = 0;
  options.cancelled = [&] { return ++asked > 2; };
  EXPECT_EQ(kind_of([](Hub& hub) { hub.model("org/name"); }), ErrorKind::interrupted);
}

}  // namespace
}  // namespace pome::hub
