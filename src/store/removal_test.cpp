#include "store/removal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "store/fake_store.h"
#include "store/hf_cache.h"
#include "store/shared_blobs.h"
#include "store/tree_cache.h"

namespace pome::store {
namespace {

const std::string commit_a(40, 'a'), commit_b(40, 'b');
const std::string both(64, '1'), only_a(64, '2'), only_b(64, '3'), stray(64, '4');
const std::string xet_a = "ab" + std::string(62, '5'), xet_both = "cd" + std::string(62, '6');

// Bytes of all files under a folder: what a disk gets back when they go.
std::uint64_t bytes_on_disk(const fs::path& root) {
  std::uint64_t bytes = 0;
  std::set<ino_t> seen;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat info{};
    if (::lstat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
        seen.insert(info.st_ino).second) {
      bytes += static_cast<std::uint64_t>(info.st_size);
    }
  }
  return bytes;
}

// org/tiny with two revisions that share a blob, one also shared with org/other, and what lies about.
struct Filled : FakeStore {
  CachedRepo tiny{paths.hf_cache, "org/tiny"}, other{paths.hf_cache, "org/other"};

  // Filling takes many times as long as copying what is filled.
  Filled() {
    static const Filled first(0);
    fs::copy(first.paths.hf_cache, paths.hf_cache,
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }

 private:
  explicit Filled(int) {
    tiny.create();
    other.create();
    for (const std::string& etag : {both, only_a, only_b, stray})
      put(tiny.blob(etag), std::string(1000, etag[0]));
    put(other.blob(both), std::string(1000, 'o'));
    publish_shared_blob(tiny, only_a, xet_a, 1000);
    publish_shared_blob(tiny, both, xet_both, 1000);
    link_shared_blob(other, both, xet_both, 1000);
    for (const auto& [commit, own] : {std::pair(commit_a, only_a), std::pair(commit_b, only_b)}) {
      tiny.link(commit, "model.safetensors", both);
      tiny.link(commit, "deep/er/own.bin", own);
      write_tree(tiny, commit,
                 {{.name = "model.safetensors",
                   .size_bytes = 1000,
                   .git_sha1 = std::string(40, '0'),
                   .sha256 = both,
                   .xet_hash = ""}});
      put(tiny.missing(commit, "adapter_config.json"), "");
    }
    put(tiny.unfinished() / (only_a + ".states"), "states");
    put(tiny.unfinished() / (std::string(64, '7') + ".partial"), "12345");
    put(tiny.blobs() / (std::string(64, '8') + ".1234abcd.incomplete"), "123");
    tiny.write_ref("main", commit_b);
    tiny.write_ref("v1", commit_a);
    other.link(commit_a, "model.safetensors", both);
    other.write_ref("main", commit_a);
  }

 public:
  CacheScan scan() const { return scan_cache(paths.hf_cache); }
};

TEST(Removal, ARevisionFreesWhatOnlyItHas) {
  const Filled store;
  const CacheScan scan = store.scan();
  RemovalSize size(scan);
  size.add_revision(*scan.find("org/tiny"), *scan.find("org/tiny")->at("v1"));
  const std::uint64_t before = bytes_on_disk(store.paths.hf_cache), expected = size.bytes();
  remove_revision(store.paths.hf_cache, store.tiny.folder(), commit_a);
  EXPECT_EQ(before - bytes_on_disk(store.paths.hf_cache), expected);
  EXPECT_GT(expected, 1000u);
  EXPECT_LT(expected, 1600u);
  EXPECT_FALSE(fs::exists(shared_blob(store.paths.hf_cache, xet_a)));
  EXPECT_FALSE(fs::exists(store.tiny.ref("v1")));
  const CacheScan after = store.scan();
  EXPECT_TRUE(after.find("org/tiny")->problems.empty());
  EXPECT_TRUE(after.find("org/tiny")->at("main")->files[1].present);
}

TEST(Removal, TwoRevisionsTogetherFreeWhatTheyShare) {
  const Filled store;
  const CacheScan scan = store.scan();
  RemovalSize size(scan);
  for (const auto& revision : scan.find("org/tiny")->revisions)
    size.add_revision(*scan.find("org/tiny"), revision);
  RemovalSize whole(scan);
  whole.add_repo(*scan.find("org/tiny"));
  const std::uint64_t before = bytes_on_disk(store.paths.hf_cache), expected = size.bytes();
  EXPECT_EQ(expected, whole.bytes());
  remove_revision(store.paths.hf_cache, store.tiny.folder(), commit_a);
  remove_revision(store.paths.hf_cache, store.tiny.folder(), commit_b);
  // org/other still leads to the content that it shares, whose list of links became shorter.
  EXPECT_NEAR(static_cast<double>(before - bytes_on_disk(store.paths.hf_cache)),
              static_cast<double>(expected), 100);
  EXPECT_TRUE(fs::exists(shared_blob(store.paths.hf_cache, xet_both)));
  EXPECT_FALSE(fs::exists(store.tiny.folder()));
  const CacheScan rest = store.scan();
  RemovalSize other(rest);
  other.add_repo(*rest.find("org/other"));
  EXPECT_GT(other.bytes(), 1000u);
  remove_repo(store.paths.hf_cache, store.other.folder());
  EXPECT_FALSE(fs::exists(shared_blob(store.paths.hf_cache, xet_both)));
}

TEST(Removal, StraysGoOneByOne) {
  const Filled store;
  const CacheScan scan = store.scan();
  const ScannedRepo& tiny = *scan.find("org/tiny");
  ASSERT_EQ(tiny.orphans.size(), 1u);
  ASSERT_EQ(tiny.partials.size(), 2u);
  RemovalSize size(scan);
  for (const auto& list : {tiny.orphans, tiny.partials}) {
    for (const StrayFile& file : list) size.add_path(file.path);
  }
  const std::uint64_t before = bytes_on_disk(store.paths.hf_cache), expected = size.bytes();
  EXPECT_EQ(expected, 1000u + 5 + 3);
  for (const auto& list : {tiny.orphans, tiny.partials}) {
    for (const StrayFile& file : list) remove_stray(store.paths.hf_cache, file.path);
  }
  EXPECT_EQ(before - bytes_on_disk(store.paths.hf_cache), expected);
  EXPECT_TRUE(store.scan().find("org/tiny")->orphans.empty());
}

TEST(Removal, LeavesAloneWhatADownloadHolds) {
  const Filled store;
  const std::string etag(64, '8');
  EXPECT_FALSE(download_in_progress(store.paths.hf_cache, store.tiny.folder()));
  const auto lock = store.tiny.try_lock(etag);
  ASSERT_TRUE(lock);
  EXPECT_TRUE(download_in_progress(store.paths.hf_cache, store.tiny.folder()));
  const fs::path partial = store.tiny.blobs() / (etag + ".1234abcd.incomplete");
  remove_stray(store.paths.hf_cache, partial);
  EXPECT_TRUE(fs::exists(partial));
  // An orphan that somebody has linked since the scan is none.
  store.tiny.link(commit_b, "late.bin", stray);
  remove_stray(store.paths.hf_cache, store.tiny.blob(stray));
  EXPECT_TRUE(fs::exists(store.tiny.blob(stray)));
}

TEST(Removal, AFileWithAnotherNameFreesNothing) {
  const Filled store;
  fs::create_hard_link(store.tiny.blob(only_b), store.scratch.path() / "elsewhere");
  const CacheScan scan = store.scan();
  RemovalSize size(scan);
  size.add_repo(*scan.find("org/tiny"));
  const std::uint64_t before = bytes_on_disk(store.scratch.path()), expected = size.bytes();
  remove_repo(store.paths.hf_cache, store.tiny.folder());
  EXPECT_NEAR(static_cast<double>(before - bytes_on_disk(store.scratch.path())),
              static_cast<double>(expected), 100);
}

// Runs `remove` in a child that is killed before its n-th step, for every n, and looks at what is left.
template <class Remove>
int kill_at_every_step(Remove remove) {
  int survived = 0;
  for (int n = 0; survived == 0 && n < 200; ++n) {
    const Filled store;
    const pid_t child = ::fork();
    if (child == 0) {
      int left = n;
      remove(store, [&left](std::string_view) {
        if (left-- == 0) ::raise(SIGKILL);
      });
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) survived = n;

    // What is visible is whole: no ref without snapshot, no link without blob.
    CacheScan scan = store.scan();
    EXPECT_TRUE(scan.problems.empty()) << n;
    for (const ScannedRepo& repo : scan.repos) {
      EXPECT_TRUE(repo.problems.empty()) << n << ": " << repo.problems.front();
    }
    EXPECT_TRUE(scan.find("org/other")->at("main")->files[0].present) << n;
    // And what is left of it is found and goes.
    for (const StrayFile& file : scan.orphans) remove_stray(store.paths.hf_cache, file.path);
    for (const ScannedRepo& repo : scan.repos) {
      for (const StrayFile& file : repo.orphans) remove_stray(store.paths.hf_cache, file.path);
      for (const ScannedRevision& revision : repo.revisions) {
        if (revision.refs.empty()) remove_revision(store.paths.hf_cache, repo.folder, revision.commit);
      }
    }
    scan = store.scan();
    EXPECT_TRUE(scan.orphans.empty()) << n;
    EXPECT_TRUE(scan.find("org/other")->at("main")->files[0].present) << n;
    const ScannedRepo* tiny = scan.find("org/tiny");
    const bool started = n > 0 || survived > 0;
    if (tiny != nullptr && started) {
      EXPECT_TRUE(tiny->orphans.empty()) << n;
      if (const auto* main = tiny->at("main")) {
        for (const ScannedFile& file : main->files) EXPECT_TRUE(file.present) << n;
      }
      if (n > 1) {
        EXPECT_EQ(tiny->at(commit_a), nullptr) << n;
        EXPECT_FALSE(fs::exists(shared_blob(store.paths.hf_cache, xet_a))) << n;
      }
    }
  }
  return survived;
}

TEST(Removal, SurvivesDeathAtEveryStepOfARepository) {
  const int steps = kill_at_every_step([](const Filled& store, const BeforeStep& before) {
    remove_repo(store.paths.hf_cache, store.tiny.folder(), before);
  });
  EXPECT_GT(steps, 20);
}

TEST(Removal, SurvivesDeathAtEveryStepOfARevision) {
  const int steps = kill_at_every_step([](const Filled& store, const BeforeStep& before) {
    remove_revision(store.paths.hf_cache, store.tiny.folder(), commit_a, before);
  });
  EXPECT_GT(steps, 8);
}

TEST(Removal, AModelFolderGoesAtOnce) {
  const FakeStore store;
  const fs::path folder = store.scratch.path() / "models/me/mine";
  FakeStore::put(folder / "deep/model.safetensors", "12345");
  const pid_t child = ::fork();
  if (child == 0) {
    int left = 2;
    remove_model_folder(folder, [&](std::string_view) {
      if (left-- == 0) ::raise(SIGKILL);
    });
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(fs::exists(folder));
  remove_model_folder(folder);
  EXPECT_TRUE(fs::is_empty(folder.parent_path()));
}

// A cache without links: files of snapshots are second names of blobs.
TEST(RemovalWithoutLinks, FreesWhatOnlyOneRevisionHas) {
  ::setenv("HF_HUB_DISABLE_SYMLINKS", "1", 1);
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/tiny");
  repo.create();
  for (const std::string& etag : {both, only_a, only_b})
    FakeStore::put(repo.blob(etag), std::string(1000, etag[0]));
  for (const auto& [commit, own] : {std::pair(commit_a, only_a), std::pair(commit_b, only_b)}) {
    repo.link(commit, "model.safetensors", both);
    repo.link(commit, "deep/er/own.bin", own);
  }
  repo.write_ref("main", commit_b);
  repo.write_ref("v1", commit_a);
  ::unsetenv("HF_HUB_DISABLE_SYMLINKS");
  const fs::path& cache = store.paths.hf_cache;
  for (const std::string& commit : {commit_a, commit_b}) {
    const CacheScan scan = scan_cache(cache);
    const ScannedRepo* found = scan.find("org/tiny");
    ASSERT_NE(found, nullptr);
    RemovalSize size(scan);
    size.add_revision(*found, *found->at(commit));
    const std::uint64_t before = bytes_on_disk(cache), said = size.bytes();
    remove_revision(cache, repo.folder(), commit);
    EXPECT_EQ(before - bytes_on_disk(cache), said) << commit;
    EXPECT_EQ(fs::exists(repo.blob(both)), commit == commit_a);
    EXPECT_FALSE(fs::exists(repo.blob(commit == commit_a ? only_a : only_b)));
  }
}

}  // namespace
}  // namespace pome::store
