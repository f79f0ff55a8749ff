#include "store/cache_scan.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/fake_store.h"
#include "store/hf_cache.h"
#include "store/shared_blobs.h"

namespace pome::store {
namespace {

const std::string commit_a(40, 'a'), commit_b(40, 'b');

bool mentions(const std::vector<std::string>& problems, std::string_view text) {
  return std::any_of(problems.begin(), problems.end(),
                     [&](const std::string& p) { return p.find(text) != std::string::npos; });
}

TEST(CacheScan, AMissingCacheIsEmpty) {
  const FakeStore store;
  const CacheScan scan = scan_cache(store.paths.hf_cache);
  EXPECT_TRUE(scan.repos.empty());
  EXPECT_TRUE(scan.problems.empty());
}

TEST(CacheScan, CountsABlobOfTwoRevisionsOnce) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/tiny");
  repo.create();
  const std::string weights(64, '1'), old_config(40, '2'), new_config(40, '3');
  FakeStore::put(repo.blob(weights), std::string(1000, 'w'));
  FakeStore::put(repo.blob(old_config), "{}");
  FakeStore::put(repo.blob(new_config), "{  }");
  for (const auto& [commit, config] : {std::pair(commit_a, old_config), std::pair(commit_b, new_config)}) {
    repo.link(commit, "deep/er/model.safetensors", weights);
    repo.link(commit, "config.json", config);
  }
  repo.write_ref("main", commit_b);
  repo.write_ref("refs/pr/1", commit_b);
  FakeStore::put(store.paths.hf_cache / "datasets--org--set" / "snapshots" / commit_a / "data.txt", "abc");

  const CacheScan scan = scan_cache(store.paths.hf_cache);
  EXPECT_TRUE(scan.problems.empty());
  ASSERT_EQ(scan.repos.size(), 2u);
  EXPECT_EQ(scan.repos[0].type, "dataset");
  EXPECT_EQ(scan.repos[0].bytes(), 3u);
  const ScannedRepo* tiny = scan.find("org/tiny");
  ASSERT_NE(tiny, nullptr);
  EXPECT_EQ(tiny->bytes(), 1006u);
  EXPECT_TRUE(tiny->problems.empty());
  ASSERT_EQ(tiny->revisions.size(), 2u);
  EXPECT_TRUE(tiny->revisions[0].refs.empty());
  EXPECT_EQ(tiny->revisions[1].refs, (std::vector<std::string>{"main", "refs/pr/1"}));
  EXPECT_EQ(tiny->at("main")->commit, commit_b);
  EXPECT_EQ(tiny->at("main")->files[1].name, "deep/er/model.safetensors");
  EXPECT_EQ(tiny->at("main")->bytes(), 1004u);
  EXPECT_EQ(tiny->at(commit_a)->bytes(), 1002u);
}

TEST(CacheScan, FindsWhatLiesAbout) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/tiny");
  repo.create();
  FakeStore::put(repo.blob(std::string(40, '1')), "12345");
  FakeStore::put(repo.blobs() / "abc.12345678.incomplete", "123");
  FakeStore::put(repo.unfinished() / "whatever", "1");
  FakeStore::put(repo.unfinished() / "gone.x" / "file", "1234");
  FakeStore::put(store.paths.hf_cache / ".locks" / "gone.models--org--old" / "blobs" / "x", "123456");
  const CacheScan scan = scan_cache(store.paths.hf_cache);
  ASSERT_EQ(scan.repos.size(), 1u);
  ASSERT_EQ(scan.repos[0].orphans.size(), 2u);
  EXPECT_EQ(scan.repos[0].orphans[0].bytes, 5u);
  EXPECT_EQ(scan.repos[0].orphans[1].bytes, 4u);
  EXPECT_EQ(scan.repos[0].partials.size(), 2u);
  ASSERT_EQ(scan.orphans.size(), 1u);
  EXPECT_EQ(scan.orphans[0].bytes, 6u);
}

TEST(CacheScan, SharedContentIsAnOrphanOnlyByItsOwnList) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/tiny");
  repo.create();
  const std::string etag(64, '1'), xet = "ab" + std::string(62, '2');
  FakeStore::put(repo.blob(etag), "12345");
  ASSERT_TRUE(publish_shared_blob(repo, etag, xet, 5));
  repo.link(commit_a, "model.safetensors", etag);
  repo.write_ref("main", commit_a);
  CacheScan scan = scan_cache(store.paths.hf_cache);
  EXPECT_TRUE(scan.problems.empty());
  EXPECT_TRUE(scan.orphans.empty());
  EXPECT_EQ(scan.find("org/tiny")->bytes(), 5u);
  fs::remove(repo.blob(etag));
  scan = scan_cache(store.paths.hf_cache);
  ASSERT_EQ(scan.orphans.size(), 1u);
  EXPECT_EQ(scan.orphans[0].path, shared_blob(store.paths.hf_cache, xet));
  fs::remove(shared_blob(store.paths.hf_cache, xet).string() + ".refs");
  EXPECT_TRUE(scan_cache(store.paths.hf_cache).orphans.empty());
}

TEST(CacheScan, SaysWhatOtherClientsStumbleOver) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/tiny");
  repo.create();
  FakeStore::put(repo.ref("main"), commit_a + "\n");
  FakeStore::put(repo.ref("lost"), commit_b);
  FakeStore::put(repo.ref("noise"), "not a commit");
  fs::create_directories(repo.snapshot(commit_a));
  fs::create_symlink("../../blobs/gone", repo.snapshot(commit_a) / "config.json");
  FakeStore::put(repo.snapshots() / "file", "");
  FakeStore::put(store.paths.hf_cache / "blobs" / "foreign", "");
  FakeStore::put(store.paths.hf_cache / "notes.txt", "");
  fs::create_directories(store.paths.hf_cache / "models--org--empty");
  const CacheScan scan = scan_cache(store.paths.hf_cache);
  EXPECT_TRUE(mentions(scan.problems, "notes.txt"));
  EXPECT_TRUE(mentions(scan.problems, "blobs is not marked"));
  EXPECT_TRUE(mentions(scan.find("org/empty")->problems, "no folder snapshots"));
  const ScannedRepo& tiny = *scan.find("org/tiny");
  for (const char* text :
       {"refs/main does not hold", "refs/lost names commit bbb", "refs/noise does not hold",
        "config.json leads to blobs/gone", "snapshots/file is a file"}) {
    EXPECT_TRUE(mentions(tiny.problems, text)) << text;
  }
  ASSERT_EQ(tiny.revisions.size(), 1u);
  EXPECT_FALSE(tiny.at("main")->files[0].present);
}

}  // namespace
}  // namespace pome::store
