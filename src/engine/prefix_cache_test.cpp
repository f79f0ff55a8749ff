#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace pome::engine {
namespace {

using namespace testing;
using Tokens = std::vector<std::int32_t>;

class PrefixCacheTest : public ::testing::Test {
 protected:
  static std::unique_ptr<FakeCache> cache_of(const Tokens& tokens, int window = 0) {
    auto cache = std::make_unique<FakeCache>(window);
    for (const std::int32_t token : tokens) cache->append(token);
    return cache;
  }
  void insert(PrefixCache& prefixes, const Tokens& tokens, int window = 0) {
    prefixes.insert(key_, tokens, cache_of(tokens, window));
  }
  int found(PrefixCache& prefixes, const Tokens& tokens, int most = 1 << 20) {
    const auto cache = prefixes.find(key_, tokens, most);
    return cache ? cache->length() : 0;
  }

  Fake fake_ = make_fake();
  PrefixKey key_{fake_.instance, "fake", 0, {}, 4096};
};

TEST_F(PrefixCacheTest, FindsTheLongestPrefixUpToTheLimit) {
  PrefixCache prefixes(1 << 20);
  insert(prefixes, {1, 2, 3, 4, 5});
  insert(prefixes, {1, 2, 9, 9});
  EXPECT_EQ(found(prefixes, {1, 2, 3, 4, 7}), 4);
  EXPECT_EQ(found(prefixes, {1, 2, 9, 9, 9, 9}), 4);
  EXPECT_EQ(found(prefixes, {1, 2, 3, 4, 5, 6}, 3), 3);
  EXPECT_EQ(found(prefixes, {2}), 0);
}

TEST_F(PrefixCacheTest, EveryPartOfTheKeyMatters) {
  PrefixCache prefixes(1 << 20);
  insert(prefixes, {1, 2, 3});
  const Fake other = make_fake();
  const auto misses = [&](const std::function<void(PrefixKey&)>& change) {
    PrefixKey key = key_;
    change(key);
    return prefixes.find(key, Tokens{1, 2, 3}, 3) == nullptr;
  };
  EXPECT_FALSE(misses([](PrefixKey&) {}));
  EXPECT_TRUE(misses([&](PrefixKey& k) { k.instance = other.instance; }));
  EXPECT_TRUE(misses([](PrefixKey& k) { k.fingerprint = "changed"; }));
  EXPECT_TRUE(misses([](PrefixKey& k) { k.adapter = 1; }));
  EXPECT_TRUE(misses([](PrefixKey& k) { k.options.kv_bits = 8; }));
  EXPECT_TRUE(misses([](PrefixKey& k) { k.options.max_kv_size = 100; }));
  EXPECT_TRUE(misses([](PrefixKey& k) { k.rope_length = 8192; }));
}

TEST_F(PrefixCacheTest, DropsWhatAnotherEntryCanStandInFor) {
  PrefixCache prefixes(1 << 20);
  insert(prefixes, {1, 2});
  insert(prefixes, {1, 2, 3, 4});
  EXPECT_EQ(prefixes.size(), 1u);
  insert(prefixes, {1, 2, 3});
  EXPECT_EQ(prefixes.size(), 1u);
  EXPECT_EQ(prefixes.bytes(), 400u);
  EXPECT_EQ(found(prefixes, {1, 2, 3, 4}), 4);
}

TEST_F(PrefixCacheTest, KeepsCheckpointsThatAWindowCannotReplace) {
  PrefixCache prefixes(1 << 20);
  Tokens tokens(100, 5);
  insert(prefixes, {tokens.begin(), tokens.begin() + 40}, 8);
  insert(prefixes, tokens, 8);
  EXPECT_EQ(prefixes.size(), 2u);
  Tokens branch = tokens;
  branch[60] = 6;
  EXPECT_EQ(found(prefixes, branch), 40);
  EXPECT_EQ(found(prefixes, tokens, 99), 99);
}

TEST_F(PrefixCacheTest, ThinsAConversationToPowersOfTwo) {
  PrefixCache prefixes(1 << 24);
  const Tokens tokens(2000, 5);
  for (int length = 10; length <= 2000; length += 10) {
    insert(prefixes, {tokens.begin(), tokens.begin() + length}, 8);
  }
  EXPECT_LE(prefixes.size(), 13u);
  Tokens branch = tokens;  // never much further back than twice as far from the end
  for (const int at : {1995, 1985, 1900, 1700, 1200}) {
    branch[static_cast<std::size_t>(at)] = 6;
    EXPECT_GE(2000 - at, (2000 - found(prefixes, branch)) / 4 - 10) << at;
    EXPECT_GT(found(prefixes, branch), 0);
  }
}

TEST_F(PrefixCacheTest, ForgetsTheLeastRecentlyUsedFirst) {
  PrefixCache prefixes(1000);  // ten positions
  insert(prefixes, {1, 1, 1, 1});
  insert(prefixes, {2, 2, 2, 2});
  EXPECT_EQ(found(prefixes, {1, 1, 1, 1}), 4);
  insert(prefixes, {3, 3, 3, 3});
  EXPECT_EQ(found(prefixes, {2, 2, 2, 2}), 0);
  EXPECT_EQ(found(prefixes, {1, 1, 1, 1}), 4);
  insert(prefixes, Tokens(11, 4));  // larger than all there is
  EXPECT_EQ(prefixes.size(), 0u);
  EXPECT_EQ(prefixes.bytes(), 0u);
}

TEST_F(PrefixCacheTest, ModelsThatAreGoneAreDropped) {
  PrefixCache prefixes(1 << 20);
  insert(prefixes, {1, 2, 3});
  const Fake other = make_fake();
  prefixes.forget(*other.instance);
  EXPECT_EQ(prefixes.size(), 1u);
  prefixes.drop_expired();
  EXPECT_EQ(prefixes.size(), 1u);
  fake_.instance.reset();
  prefixes.drop_expired();
  EXPECT_EQ(prefixes.size(), 0u);
}

}  // namespace
}  // namespace pome::engine
