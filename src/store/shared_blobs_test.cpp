#include "store/shared_blobs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "store/fake_store.h"

namespace pome::store {
namespace {

const std::string xet(64, 'd'), etag(64, 'e');

mode_t mode(const fs::path& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

struct SharedBlobs : testing::Test {
  FakeStore store;
  fs::path cache = store.paths.hf_cache;
  CachedRepo one{cache, "org/one"}, two{cache, "org/two"};
  fs::path content = cache / "blobs/dd" / xet;

  SharedBlobs() {
    one.create();
    two.create();
    fs::permissions(cache, fs::perms(0755));
    write_file_atomic(one.blob(etag), "content");
  }
};

TEST_F(SharedBlobs, APublishedBlobIsALinkThatOthersMayTake) {
  EXPECT_FALSE(link_shared_blob(two, etag, xet, 7));
  ASSERT_TRUE(publish_shared_blob(one, etag, xet, 7));
  EXPECT_EQ(read_file(cache / "blobs/.huggingface-shared-blobs"), "1\n");
  EXPECT_EQ(fs::read_symlink(one.blob(etag)), "../../blobs/dd/" + xet);
  EXPECT_EQ(read_file(one.blob(etag)), "content");
  EXPECT_EQ(mode(content), 0444u);
  EXPECT_EQ(mode(cache / "blobs/.huggingface-shared-blobs"), 0444u);
  EXPECT_EQ(mode(content.string() + ".refs"), 0666u);
  EXPECT_EQ(mode(content.string() + ".lock"), 0666u);
  EXPECT_EQ(mode(cache / "blobs/dd"), 0755u);
  EXPECT_EQ(fs::hard_link_count(content), 1u);
  EXPECT_EQ(shared_target(cache, one.blob(etag)), content);
  EXPECT_EQ(all_shared_blobs(cache), std::vector{content});

  EXPECT_FALSE(link_shared_blob(two, etag, xet, 8)) << "another size";
  ASSERT_TRUE(link_shared_blob(two, etag, xet, 7));
  EXPECT_EQ(read_file(content.string() + ".refs"),
            "models--org--one/blobs/" + etag + "\nmodels--org--two/blobs/" + etag + "\n");
  EXPECT_EQ(shared_references(cache, content), (std::vector{one.blob(etag), two.blob(etag)}));
}

TEST_F(SharedBlobs, ContentGoesWithItsLastLink) {
  ASSERT_TRUE(publish_shared_blob(one, etag, xet, 7));
  ASSERT_TRUE(link_shared_blob(two, etag, xet, 7));
  EXPECT_EQ(sweep_shared_blob(cache, content), 0u);
  fs::remove(one.blob(etag));
  EXPECT_EQ(sweep_shared_blob(cache, content), 0u);
  EXPECT_EQ(read_file(content.string() + ".refs"), "models--org--two/blobs/" + etag + "\n");
  fs::remove(two.blob(etag));
  EXPECT_EQ(sweep_shared_blob(cache, content), 7u);
  EXPECT_FALSE(fs::exists(content));
  EXPECT_FALSE(fs::exists(content.string() + ".refs"));
  EXPECT_TRUE(fs::exists(content.string() + ".lock"));
}

TEST_F(SharedBlobs, WithoutReferencesListedContentLeaksRatherThanBeMissed) {
  ASSERT_TRUE(publish_shared_blob(one, etag, xet, 7));
  fs::remove(content.string() + ".refs");
  fs::remove(one.blob(etag));
  EXPECT_EQ(shared_references(cache, content), std::nullopt);
  EXPECT_EQ(sweep_shared_blob(cache, content), 0u);
  EXPECT_TRUE(fs::exists(content));
}

TEST_F(SharedBlobs, LinesOfOthersDoNotCount) {
  ASSERT_TRUE(publish_shared_blob(one, etag, xet, 7));
  FakeStore::put(content.string() + ".refs",
                 "../x/blobs/a\n/etc/blobs/a\nmodels--org--one/refs/main\n\n..\n");
  EXPECT_EQ(shared_references(cache, content), std::vector<fs::path>{});
}

TEST_F(SharedBlobs, AForeignFolderStaysWhatItIs) {
  FakeStore::put(cache / "blobs/mine", "x");
  EXPECT_FALSE(publish_shared_blob(one, etag, xet, 7));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(one.blob(etag))));
  EXPECT_FALSE(fs::exists(cache / "blobs/.huggingface-shared-blobs"));
}

TEST_F(SharedBlobs, LinksElsewhereAreNoSharedOnes) {
  fs::create_symlink("/etc/passwd", two.blob(etag));
  EXPECT_EQ(shared_target(cache, two.blob(etag)), std::nullopt);
  EXPECT_EQ(shared_target(cache, one.blob(etag)), std::nullopt);
  EXPECT_THROW(shared_blob(cache, "../../x"), Error);
}

}  // namespace
}  // namespace pome::store
