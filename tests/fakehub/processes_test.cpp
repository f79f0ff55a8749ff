// The program as processes: killed at any moment, two at a time, on a disk that is full.
//
// POME_KILLS=200 kills as often (default: 10).
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "base/scratch_folder.h"
#include "fakehub/fake_hub.h"
#include "hub/file_digest.h"
#include "hub/journal.h"

namespace pome {
namespace {

using fakehub::FakeHub;
using fakehub::Model;

const std::string commit(40, 'c');

std::string random_text(std::size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const auto word = random();
    std::memcpy(text.data() + i, &word, 8);
  }
  return text;
}

struct Processes : testing::Test {
  FakeHub fake;
  ScratchFolder scratch;
  Model model;
  fs::path cache = scratch.path() / "hub";
  fs::path repo = cache / "models--org--name";

  Processes() {
    model.files["config.json"] = fakehub::content_of("{}", false);
    model.files["model-1.safetensors"] = fakehub::content_of(random_text(40'000'123, 1), true);
    model.files["model-2.safetensors"] = fakehub::content_of(random_text(9'000'000, 2), true);
    model.files["model-2.safetensors"].xet_hash = std::string(64, 'd');
    for (int i = 0; i < 20; ++i) {
      model.files[fmt::format("small-{}.json", i)] = fakehub::content_of(fmt::format("[{}]", i), false);
    }
    fake.add("org/name", model);
    ::setenv("HF_ENDPOINT", fake.endpoint().c_str(), 1);
    ::setenv("HF_HUB_CACHE", cache.c_str(), 1);
    ::setenv("HOME", scratch.path().c_str(), 1);
    for (const char* name : {"no_proxy", "NO_PROXY"}) ::setenv(name, "127.0.0.1", 1);
  }

  // Starts `pome pull -q org/name` with its output in a file.
  pid_t start(const std::string& name) const {
    const std::string out = (scratch.path() / name).string();
    const pid_t child = ::fork();
    if (child == 0) {
      static_cast<void>(!::freopen(out.c_str(), "w", stdout));
      static_cast<void>(!::freopen(out.c_str(), "a", stderr));
      ::execl(POME_PROGRAM, "pome", "pull", "-q", "org/name", nullptr);
      ::_exit(127);
    }
    return child;
  }

  static int wait(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Blocks that the journal of the large file holds.
  std::uint64_t journalled() const {
    const fakehub::Content& content = model.files.at("model-1.safetensors");
    std::error_code none;
    if (fs::exists(repo / "blobs" / content.sha256, none)) return ~std::uint64_t{0};
    const fs::path file = repo / ".pome" / (content.sha256 + ".journal");
    if (!fs::exists(file, none)) return 0;
    const auto journal = hub::parse_journal(read_file(file), content.sha256, content.bytes.size());
    return journal ? static_cast<std::uint64_t>(
                         std::count(journal->written.begin(), journal->written.end(), true))
                   : 0;
  }

  // Every file right, and nothing there that belongs to nobody.
  void expect_right() const {
    const fs::path snapshot = repo / "snapshots" / commit;
    std::size_t files = 0;
    for (const auto& [name, content] : model.files) {
      const std::string& etag = content.large ? content.sha256 : content.git_sha1;
      EXPECT_TRUE(hub::content_matches(snapshot / name, etag, content.bytes.size(), [] { return false; }))
          << name;
      ++files;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(snapshot), {}), static_cast<std::ptrdiff_t>(files));
    EXPECT_EQ(std::distance(fs::directory_iterator(repo / "blobs"), {}), static_cast<std::ptrdiff_t>(files));
    EXPECT_EQ(std::distance(fs::directory_iterator(repo / "refs"), {}), 1);
    EXPECT_EQ(read_file(repo / "refs/main"), commit);
    for (const auto& entry : fs::directory_iterator(repo / ".pome")) {
      EXPECT_EQ(entry.path().extension(), ".states") << entry.path();
    }
    for (const auto& entry : fs::directory_iterator(cache)) {
      const std::string name = entry.path().filename().string();
      EXPECT_TRUE(name == ".locks" || name == "CACHEDIR.TAG" || name == "blobs" || name == repo.filename())
          << name;
    }
  }
};

TEST_F(Processes, KilledAtAnyMomentLoseNothing) {
  const char* asked = ::getenv("POME_KILLS");
  const int kills = asked == nullptr ? 10 : std::atoi(asked);
  // So that the last kills still find something to do.
  fake.add({.kind = "slow",
            .value = 30'000'000ull / static_cast<std::uint64_t>(std::max(1, kills / 8)),
            .path = "/cdn/",
            .times = -1});
  std::mt19937 random(11);
  std::uint64_t before = 0;
  int during = 0;
  for (int i = 0; i < kills; ++i) {
    const pid_t child = start("out");
    ::usleep(20'000 + random() % 180'000);
    ::kill(child, SIGKILL);
    if (wait(child) == -SIGKILL) ++during;
    const std::uint64_t now = journalled();
    EXPECT_GE(now, before) << "kill " << i;
    before = now;
    EXPECT_FALSE(fs::exists(repo / "refs/main") && !fs::exists(repo / "snapshots" / commit));
  }
  EXPECT_GT(during, kills / 2);
  fake.clear_faults();
  EXPECT_EQ(wait(start("out")), 0) << read_file(scratch.path() / "out");
  EXPECT_EQ(read_file(scratch.path() / "out"), (repo / "snapshots" / commit).string() + "\n");
  expect_right();
  std::cout << fmt::format("{} kills, {} of them before the end; {} of {} bytes were sent\n", kills, during,
                           fake.bytes_sent(), 49'000'000);
}

// Killed between the last two steps of a file, which is too short a time to be met by chance.
TEST_F(Processes, AJournalWithoutItsPartialGoesWithTheNextPull) {
  ASSERT_EQ(wait(start("out")), 0);
  const std::string etag = model.files.at("model-1.safetensors").sha256;
  for (const char* ending : {".journal", ".journal.new"}) {
    write_file_atomic(repo / ".pome" / (etag + ending), "pome-download 1 " + etag);
  }
  ASSERT_EQ(wait(start("out")), 0);
  expect_right();
}

TEST_F(Processes, TwoAtOnceFetchOnce) {
  fake.add({.kind = "slow", .value = 20'000'000, .path = "/cdn/", .times = -1});
  const pid_t one = start("one"), two = start("two");
  EXPECT_EQ(wait(one), 0) << read_file(scratch.path() / "one");
  EXPECT_EQ(wait(two), 0) << read_file(scratch.path() / "two");
  expect_right();
  EXPECT_LT(fake.bytes_sent(), 60'000'000u);
}

// On a small file system of its own, which grows in between.
TEST_F(Processes, AFullDiskIsAnErrorThatLosesNothing) {
  if (::system("unshare -Urm mount -t tmpfs none /mnt 2>/dev/null") != 0) {
    GTEST_SKIP() << "no file systems of one's own here";
  }
  const std::string script = fmt::format(
      "set -u; d='{0}/disk'; mkdir $d; mount -t tmpfs -o size=25m none $d; export HF_HUB_CACHE=$d\n"
      "'{1}' pull org/name; echo first $?\n"
      "'{1}' pull --force org/name; echo second $?\n"
      "find $d -path '*/refs/main'\n"
      "mount -o remount,size=80m $d\n"
      "'{1}' pull -q org/name; echo third $?\n"
      "sha256sum $d/models--org--name/snapshots/*/model-1.safetensors\n",
      scratch.path().string(), POME_PROGRAM);
  write_file_atomic(scratch.path() / "script", script);
  const std::string out = (scratch.path() / "out").string();
  ASSERT_EQ(
      ::system(
          fmt::format("unshare -Urm bash '{}/script' > '{}' 2>&1", scratch.path().string(), out).c_str()),
      0);
  const std::string text = read_file(out);
  EXPECT_NE(text.find("nothing was fetched"), std::string::npos) << text;
  EXPECT_NE(text.find("first 6"), std::string::npos) << text;
  EXPECT_NE(text.find("No space left on device"), std::string::npos) << text;
  EXPECT_NE(text.find("second 6"), std::string::npos) << text;
  EXPECT_EQ(text.find("refs/main"), std::string::npos) << text;
  EXPECT_NE(text.find("third 0"), std::string::npos) << text;
  EXPECT_NE(text.find(model.files.at("model-1.safetensors").sha256), std::string::npos) << text;
  // What had arrived before the disk was full was not sent again.
  EXPECT_LT(fake.bytes_sent(), 49'000'000u + 20'000'000u);
}

}  // namespace
}  // namespace pome
