// Downloads from a Hub that misbehaves: the content is right, or there is an Error and nothing under its
// name.
#include "hub/download.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "fakehub/fake_hub.h"
#include "hub/partial.h"

namespace pome::hub {
namespace {

using fakehub::FakeHub;
using fakehub::Fault;
using fakehub::Model;

const std::string commit(40, 'c');

struct Downloads : testing::Test {
  ScratchFolder scratch;
  FakeHub fake;
  Options options;
  std::map<std::string, std::string> contents;
  std::vector<std::string> retries;
  std::mutex mutex;
  Received received;

  Downloads() {
    options.endpoint = fake.endpoint();
    options.first_wait = std::chrono::milliseconds(1);
    options.stall_timeout = std::chrono::milliseconds(300);
    options.on_retry = [this](const Retry& retry) {
      const std::lock_guard lock(mutex);
      retries.push_back(retry.reason);
    };
    std::mt19937_64 random(5);
    const auto make = [&](std::size_t size) {
      std::string text(size, '\0');
      for (std::size_t i = 0; i + 8 <= size; i += 8) {
        const auto word = random();
        std::memcpy(text.data() + i, &word, 8);
      }
      return text;
    };
    contents["config.json"] = make(700);
    contents["empty.txt"] = "";
    contents["small.safetensors"] = make(3'000'000);
    contents["large.safetensors"] = make(34 * block_bytes + 12'345);
    contents["exact.safetensors"] = make(segment_bytes);
    Model model;
    for (const auto& [name, text] : contents) {
      model.files[name] = fakehub::content_of(text, name.ends_with(".safetensors"));
    }
    fake.add("org/name", std::move(model));
  }

  fs::path target(const std::string& name) const { return scratch.path() / name; }
  fs::path folder() const { return scratch.path() / "unfinished"; }

  Download download(const std::string& name) {
    Hub hub(options);
    Download result{.subject = "org/name: " + name,
                    .address = hub.file_address("org/name", commit, name),
                    .commit = commit,
                    .etag = {},
                    .size_bytes = contents.at(name).size(),
                    .folder = folder(),
                    .target = target(name)};
    const auto bytes = std::as_bytes(std::span(contents.at(name)));
    Digest digest(name.ends_with(".safetensors") ? DigestKind::sha256 : DigestKind::git_sha1, bytes.size());
    digest.update(bytes);
    result.etag = digest.finish();
    return result;
  }

  void fetch(const std::string& name, int connections = 4) {
    Hub hub(options);
    Downloader(hub).fetch(download(name), connections, received);
  }

  // Fetches it; right in the end, with nothing left over.
  void expect_right(const std::string& name, int connections = 4) {
    fetch(name, connections);
    EXPECT_TRUE(read_file(target(name), std::size_t{1} << 30) == contents.at(name)) << name;
    EXPECT_FALSE(fs::exists(folder() / (download(name).etag + ".partial")));
    EXPECT_FALSE(fs::exists(folder() / (download(name).etag + ".journal")));
  }

  ErrorKind expect_refused(const std::string& name) {
    try {
      fetch(name);
    } catch (const Error& error) {
      message = error.what();
      EXPECT_FALSE(fs::exists(target(name)));
      return error.kind();
    }
    ADD_FAILURE() << name << " was taken";
    return ErrorKind::internal;
  }
  std::string message;
};

TEST_F(Downloads, EverySize) {
  for (const auto& [name, text] : contents) {
    received.good = 0;
    expect_right(name);
    EXPECT_EQ(received.good, text.size()) << name;
  }
  EXPECT_TRUE(retries.empty());
  EXPECT_TRUE(fs::exists(folder() / (download("large.safetensors").etag + ".states")));
}

TEST_F(Downloads, CutsWithProgressGoOnForeverAndSendNothingTwice) {
  fake.add({.kind = "cut", .value = 3 * block_bytes + 77, .times = -1});
  const std::uint64_t before = fake.bytes_sent();
  expect_right("large.safetensors");
  EXPECT_LT(fake.bytes_sent() - before, contents["large.safetensors"].size() + 1000 + 100 * retries.size());
  EXPECT_GT(retries.size(), 5u);
}

TEST_F(Downloads, CutsWithoutProgressEnd) {
  fake.add({.kind = "cut", .value = 100, .times = -1});
  EXPECT_EQ(expect_refused("large.safetensors"), ErrorKind::network);
  fake.clear_faults();
  expect_right("large.safetensors");
}

TEST_F(Downloads, OnlyTheWrongStretchOfALargeFileIsFetchedAgain) {
  for (const std::uint64_t at : {std::uint64_t{5}, 17 * block_bytes, 34 * block_bytes + 3}) {
    fake.add({.kind = "corrupt", .value = at, .times = 1});
    fs::remove(target("large.safetensors"));
    received.bytes = 0;
    expect_right("large.safetensors");
    const std::uint64_t up_to_it = (at / segment_bytes + 1) * segment_bytes;
    EXPECT_LE(received.bytes, contents["large.safetensors"].size() + up_to_it + 10000) << at;
  }
}

TEST_F(Downloads, AWrongSmallFileIsFetchedOnceMore) {
  fake.add({.kind = "corrupt", .value = 1000, .times = 1});
  expect_right("small.safetensors");
  fake.add({.kind = "corrupt", .value = 10, .times = 1});
  expect_right("config.json");
}

TEST_F(Downloads, ContentThatIsAlwaysWrongIsNeverTaken) {
  fake.add({.kind = "corrupt", .value = 20 * block_bytes, .times = -1});
  EXPECT_EQ(expect_refused("large.safetensors"), ErrorKind::corrupt);
  fake.clear_faults();
  fake.add({.kind = "corrupt", .value = 10, .times = -1});
  EXPECT_EQ(expect_refused("small.safetensors"), ErrorKind::corrupt);
  EXPECT_TRUE(unfinished(folder()).empty());
}

TEST_F(Downloads, WholeAnswersToRangesAreTaken) {
  fake.add({.kind = "whole", .times = -1});
  expect_right("large.safetensors");
  expect_right("small.safetensors");
}

TEST_F(Downloads, TransientAnswersAndStallsAreTriedAgain) {
  fake.add({.kind = "status", .value = 503, .times = 2});
  fake.add({.kind = "status", .value = 429, .path = "/cdn/", .times = 2, .text = "0"});
  fake.add({.kind = "stall", .value = block_bytes, .times = 2});
  expect_right("large.safetensors");
  EXPECT_GE(retries.size(), 6u);
}

TEST_F(Downloads, AnExpiredAddressIsAskedForAnew) {
  fake.add({.kind = "status", .value = 403, .path = "/cdn/", .times = 3});
  expect_right("large.safetensors");
}

TEST_F(Downloads, WhatTheHubSaysMustBeWhatItListed) {
  fake.add({.kind = "etag", .times = 1});
  EXPECT_EQ(expect_refused("large.safetensors"), ErrorKind::corrupt);
  EXPECT_NE(message.find("now sent with"), std::string::npos) << message;
  fake.add({.kind = "etag", .times = 1});
  EXPECT_EQ(expect_refused("config.json"), ErrorKind::corrupt);
  fake.add({.kind = "hostile-etag", .times = 1});
  EXPECT_EQ(expect_refused("small.safetensors"), ErrorKind::corrupt);
  fake.add({.kind = "hostile-commit", .times = 1});
  EXPECT_EQ(expect_refused("small.safetensors"), ErrorKind::corrupt);
  fake.add({.kind = "range", .path = "/cdn/", .times = 1});
  EXPECT_EQ(expect_refused("large.safetensors"), ErrorKind::network);
  fake.add({.kind = "loop", .times = -1});
  EXPECT_EQ(expect_refused("small.safetensors"), ErrorKind::network);
  fake.clear_faults();
  fake.add({.kind = "scheme", .times = 1});
  EXPECT_EQ(expect_refused("small.safetensors"), ErrorKind::network);
  for (const auto& [name, text] : contents) expect_right(name);
}

TEST_F(Downloads, ShortAnswersAreGoneOnFrom) {
  fake.add({.kind = "length", .value = 1'000'000, .path = "/cdn/", .times = 2});
  expect_right("large.safetensors");
}

TEST_F(Downloads, AnInterruptKeepsWhatIsThere) {
  fake.add({.kind = "slow", .value = 30'000'000, .path = "/cdn/", .times = -1});
  options.cancelled = [&] { return received.good > 12 * block_bytes; };
  EXPECT_EQ(expect_refused("large.safetensors"), ErrorKind::interrupted);
  options.cancelled = [] { return false; };
  EXPECT_EQ(unfinished(folder()).size(), 1u);
  received.bytes = 0;
  expect_right("large.safetensors");
  EXPECT_LT(received.bytes, 30 * block_bytes);
}

TEST_F(Downloads, AnotherBootTrustsOnlyWhatTheDigestConfirms) {
  fake.add({.kind = "slow", .value = 30'000'000, .path = "/cdn/", .times = -1});
  options.cancelled = [&] { return received.good > 24 * block_bytes; };
  EXPECT_EQ(expect_refused("large.safetensors"), ErrorKind::interrupted);
  options.cancelled = [] { return false; };
  const std::string etag = download("large.safetensors").etag;
  const fs::path journal = folder() / (etag + ".journal"), partial = folder() / (etag + ".partial");
  std::string text = read_file(journal);
  const std::string boot = boot_id();
  text.replace(text.find(boot), boot.size(), "earlier");
  write_file_atomic(journal, text);
  std::string bytes = read_file(partial, std::size_t{1} << 30);
  bytes[3] = static_cast<char>(bytes[3] + 1);  // did not reach the disk
  write_file_atomic(partial, bytes);
  expect_right("large.safetensors");
}

TEST_F(Downloads, AJournalOfNonsenseCostsNothingButItself) {
  const std::string etag = download("large.safetensors").etag;
  fs::create_directories(folder());
  for (const std::string& text :
       {std::string("nonsense"), std::string(), fmt::format("pome-download 1 {} 9 x\nw 0 9\n", etag),
        fmt::format("pome-download 1 {} {} {}\nw 0 99999\nh 1 zz\n", etag,
                    contents["large.safetensors"].size(), boot_id())}) {
    write_file_atomic(folder() / (etag + ".journal"), text);
    write_file_atomic(folder() / (etag + ".partial"), "short");
    expect_right("large.safetensors");
    fs::remove(target("large.safetensors"));
  }
}

TEST_F(Downloads, TwoAtOnceDoNoHarm) {
  fake.add({.kind = "slow", .value = 30'000'000, .path = "/cdn/", .times = -1});
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      Received own;
      Hub hub(options);
      Downloader(hub).fetch(download("large.safetensors"), 3, own);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(read_file(target("large.safetensors"), std::size_t{1} << 30) == contents["large.safetensors"]);
}

}  // namespace
}  // namespace pome::hub
