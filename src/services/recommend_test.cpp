#include "services/recommend.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/scratch_folder.h"

namespace pome::services {
namespace {

store::Catalogue table() {
  return store::Catalogue::parse(R"({"as_of":"2026-11-21","models":[
    {"name":"small","tasks":["chat"],"parameters":1000000000,"context":8192,
     "cache":[{"layers":10,"kv_heads":2,"head_dim":64}],
     "repos":[{"repo":"o/small-4","bits":4,"bytes":500000000},{"repo":"o/small-8","bits":8,"bytes":1000000000}]},
    {"name":"large","tasks":["chat"],"parameters":8000000000,"context":8192,
     "cache":[{"layers":32,"kv_heads":8,"head_dim":128},{"layers":4,"kv_heads":8,"head_dim":128,"window":64}],
     "repos":[{"repo":"o/large-4","bits":4,"bytes":4500000000}]}]})",
                                 "test");
}

struct Recommending : testing::Test {
  ScratchFolder scratch;
  store::Paths paths;
  Machine machine{.memory_bytes = 16'000'000'000,
                  .available_bytes = 12'000'000'000,
                  .threads = 4,
                  .instructions = "scalar",
                  .gpu = {},
                  .disk_bytes = 2'000'000'000,
                  .read_gbps = 100};
  Recommending() { paths.hf_cache = scratch.path(); }
};

TEST_F(Recommending, MemoryIsWeightsCacheAndALittle) {
  const store::Catalogue catalogue = table();
  const store::KnownModel& large = catalogue.models()[1];
  const std::uint64_t short_one = predicted_memory(large, large.repos[0], 1024);
  const std::uint64_t long_one = predicted_memory(large, large.repos[0], 1024 + 1024);
  EXPECT_EQ(long_one - short_one, 32u * 2 * 8 * (128 * 2 + 4) * 1024);  // windows are full already
  EXPECT_GT(short_one, large.repos[0].bytes);
}

TEST_F(Recommending, TheLargestThatIsQuickEnough) {
  const auto rows = recommend({.task = "chat"}, table(), machine, paths);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].repo, "o/large-4");
  EXPECT_FALSE(rows[0].fits_disk);
  EXPECT_EQ(rows[1].repo, "o/small-8");
  EXPECT_TRUE(rows[1].fits_disk);

  machine.read_gbps = 9;  // two tokens a second with the large one, nine with the small one
  const auto slow = recommend({.task = "chat"}, table(), machine, paths);
  EXPECT_EQ(slow[0].repo, "o/small-8");
  EXPECT_EQ(slow[1].repo, "o/large-4");
}

TEST_F(Recommending, WhatDoesNotFitIsNone) {
  machine.available_bytes = 700'000'000;
  const auto rows = recommend({.task = "chat"}, table(), machine, paths);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].repo, "o/small-4");
  EXPECT_TRUE(recommend({.task = "chat", .context = 10000}, table(), machine, paths).empty());
  EXPECT_THROW(recommend({.task = "nothing"}, table(), machine, paths), Error);
}

}  // namespace
}  // namespace pome::services
