#include "store/hf_cache.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/cache_scan.h"
#include "store/fake_store.h"
#include "store/shared_blobs.h"
#include "store/tree_cache.h"

namespace pome::store {
namespace {

const std::string commit(40, 'c'), etag(64, 'e');

TEST(HfCache, FoldersAndIdsAreEachOthersInverse) {
  EXPECT_EQ(repo_folder_name("mlx-community/Qwen3-0.6B-4bit"), "models--mlx-community--Qwen3-0.6B-4bit");
  EXPECT_EQ(repo_id("models--mlx-community--Qwen3-0.6B-4bit"), "mlx-community/Qwen3-0.6B-4bit");
  EXPECT_EQ(repo_id("models--gpt2"), "gpt2");
  for (const char* other :
       {"datasets--a--b", "models--", "models--a--", "models--a--b--c", "models--..--b", "blobs"}) {
    EXPECT_EQ(repo_id(other), std::nullopt) << other;
  }
  EXPECT_THROW(CachedRepo("/c", "../x"), Error);
  EXPECT_THROW(CachedRepo("/c", "a--b/c"), Error);
}

TEST(HfCache, NothingHostileBecomesAPath) {
  const CachedRepo repo("/c", "a/b");
  EXPECT_EQ(repo.blob(etag), "/c/models--a--b/blobs/" + etag);
  EXPECT_EQ(repo.lock_file(etag), "/c/.locks/models--a--b/" + etag + ".lock");
  EXPECT_THROW(repo.blob("../../etc/passwd"), Error);
  EXPECT_THROW(repo.blob("W/\"" + etag + "\""), Error);
  EXPECT_THROW(repo.snapshot("main"), Error);
  EXPECT_THROW(repo.snapshot(commit + "\n"), Error);
  EXPECT_THROW(repo.file(commit, "../x"), Error);
  EXPECT_THROW(repo.file(commit, "/etc/passwd"), Error);
  EXPECT_THROW(repo.ref("../../x"), Error);
}

TEST(HfCache, ASnapshotIsRelativeLinksAndARefOf40Digits) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/name");
  repo.create();
  EXPECT_TRUE(read_file(store.paths.hf_cache / "CACHEDIR.TAG")
                  .starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
  EXPECT_THROW(repo.link(commit, "config.json", etag), Error);  // no blob yet
  write_file_atomic(repo.blob(etag), "content");
  repo.link(commit, "config.json", etag);
  repo.link(commit, "sub/folder/config.json", etag);
  repo.link(commit, "config.json", etag);  // again
  EXPECT_EQ(fs::read_symlink(repo.file(commit, "config.json")), "../../blobs/" + etag);
  EXPECT_EQ(fs::read_symlink(repo.file(commit, "sub/folder/config.json")), "../../../../blobs/" + etag);
  EXPECT_EQ(read_file(repo.file(commit, "sub/folder/config.json")), "content");

  EXPECT_EQ(repo.commit("main"), std::nullopt);
  repo.write_ref("main", commit);
  repo.write_ref("refs/pr/1", commit);
  EXPECT_EQ(read_file(repo.ref("main")), commit);
  EXPECT_EQ(repo.commit("main"), commit);
  EXPECT_EQ(repo.commit(commit), commit);
  repo.write_ref(commit, commit);
  EXPECT_FALSE(fs::exists(repo.ref(commit)));
  write_file_atomic(repo.ref("main"), commit + "\n");
  EXPECT_EQ(repo.commit("main"), commit);
  write_file_atomic(repo.ref("main"), "elsewhere");
  EXPECT_THROW(repo.commit("main"), Error);
}

TEST(HfCache, LeftoversOfProcessesThatAreGoneAreRemoved) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/name");
  repo.create();
  FakeStore::put(repo.unfinished() / "put.999999999.1");
  FakeStore::put(repo.unfinished() / "put.1.1");  // init lives
  FakeStore::put(repo.unfinished() / (etag + ".partial"));
  repo.remove_leftovers();
  EXPECT_FALSE(fs::exists(repo.unfinished() / "put.999999999.1"));
  EXPECT_TRUE(fs::exists(repo.unfinished() / "put.1.1"));
  EXPECT_TRUE(fs::exists(repo.unfinished() / (etag + ".partial")));
}

TEST(HfCache, TheLockIsWhereHuggingfaceHubLooksForIt) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/name");
  const auto held = repo.try_lock(etag);
  EXPECT_TRUE(held);
  EXPECT_TRUE(fs::exists(store.paths.hf_cache / ".locks/models--org--name" / (etag + ".lock")));
  EXPECT_FALSE(repo.try_lock(etag));
}

TEST(TreeCache, WritesWhatItReads) {
  const FakeStore store;
  const CachedRepo repo(store.paths.hf_cache, "org/name");
  EXPECT_FALSE(read_tree(repo, commit));
  const std::vector<TreeFile> files{
      {"b \"quoted\".json", 5, std::string(40, 'a'), "", ""},
      {"a/model.safetensors", 9, std::string(40, 'b'), etag, std::string(64, 'd')}};
  write_tree(repo, commit, files);
  const auto read = read_tree(repo, commit);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ(read->at(0).name, "a/model.safetensors");
  EXPECT_EQ(read->at(0).etag(), etag);
  EXPECT_EQ(read->at(0).size_bytes, 9u);
  EXPECT_EQ(read->at(1).name, "b \"quoted\".json");
  EXPECT_EQ(read->at(1).etag(), std::string(40, 'a'));

  EXPECT_THROW(parse_tree(R"({"format_version":1,"files":{"../x":{"size":1,"blob_id":")" +
                              std::string(40, 'a') + "\"}}}",
                          "t"),
               Error);
  EXPECT_THROW(parse_tree(R"({"format_version":1,"files":{"x":{"size":1,"blob_id":"x"}}})", "t"), Error);
  EXPECT_THROW(parse_tree("{}", "t"), Error);
}

struct WithoutLinks : testing::Test {
  WithoutLinks() { ::setenv("HF_HUB_DISABLE_SYMLINKS", "1", 1); }
  ~WithoutLinks() override { ::unsetenv("HF_HUB_DISABLE_SYMLINKS"); }
  const FakeStore store;
  const CachedRepo repo{store.paths.hf_cache, "org/name"};
};

TEST_F(WithoutLinks, AFileOfASnapshotIsASecondNameOfItsBlob) {
  repo.create();
  write_file_atomic(repo.blob(etag), "content");
  for (int times = 0; times < 2; ++times) {
    repo.link(commit, "config.json", etag);
    repo.link(commit, "sub/config.json", etag);
  }
  EXPECT_FALSE(fs::is_symlink(repo.file(commit, "config.json")));
  EXPECT_EQ(fs::hard_link_count(repo.blob(etag)), 3u);
  EXPECT_TRUE(fs::is_empty(repo.unfinished()));
  const ScannedRepo scan = scan_repo(repo.folder());
  ASSERT_EQ(scan.revisions.size(), 1u);
  EXPECT_TRUE(scan.orphans.empty());
  EXPECT_EQ(scan.bytes(), 7u);  // once
  EXPECT_EQ(scan.revisions[0].files[0].blob, repo.blob(etag));
}

TEST_F(WithoutLinks, ALinkIntoTheSharedStoreIsCopiedThrough) {
  repo.create();
  const std::string xet(64, 'a');
  FakeStore::put(repo.blob(etag), "content");
  ASSERT_TRUE(publish_shared_blob(repo, etag, xet, 7));
  ASSERT_TRUE(fs::is_symlink(repo.blob(etag)));
  repo.link(commit, "config.json", etag);
  EXPECT_EQ(read_file(repo.file(commit, "config.json")), "content");
  EXPECT_FALSE(fs::is_symlink(repo.file(commit, "config.json")));
  EXPECT_EQ(fs::hard_link_count(shared_blob(store.paths.hf_cache, xet)), 1u);
}

TEST_F(WithoutLinks, WhatWasMovedIntoASnapshotStaysThere) {
  repo.create();
  FakeStore::put(repo.file(commit, "config.json"), "content");  // as huggingface_hub leaves it
  repo.link(commit, "config.json", etag);
  EXPECT_EQ(read_file(repo.file(commit, "config.json")), "content");
}

}  // namespace
}  // namespace pome::store
