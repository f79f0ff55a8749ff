#include "services/memory.h"

#include <gtest/gtest.h>

#include "services/tiny_model.h"

namespace pome::services {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

TEST(Memory, WhatIsThereIsPlausible) {
  EXPECT_GT(available_memory(), mib);
  EXPECT_GT(peak_memory_bytes(), mib);
}

TEST(Memory, TheTightestGroupCounts) {
  const TinyLibrary tiny;
  const fs::path groups = tiny.scratch.path() / "proc", root = tiny.scratch.path() / "cgroup";
  tiny.put("proc", "0::/outer/inner\n");
  EXPECT_EQ(cgroup_available(groups, root), UINT64_MAX);
  tiny.put("cgroup/outer/memory.max", "104857600\n");
  tiny.put("cgroup/outer/memory.current", "83886080\n");
  tiny.put("cgroup/outer/memory.stat",
           "anon 1\ninactive_file 10485760\nactive_file 10485760\nfile 99999999\n");
  tiny.put("cgroup/outer/inner/memory.max", "max\n");
  tiny.put("cgroup/outer/inner/memory.current", "83886080\n");
  EXPECT_EQ(cgroup_available(groups, root), 40 * mib);  // 100 - (80 - 20 of page cache)
  tiny.put("cgroup/outer/inner/memory.max", "73400320\n");
  EXPECT_EQ(cgroup_available(groups, root), 0u);
  tiny.put("cgroup/memory/old/memory.limit_in_bytes", "2097152\n");
  tiny.put("cgroup/memory/old/memory.usage_in_bytes", "1048576\n");
  tiny.put("proc", "4:cpu,memory:/old\n1:name=systemd:/\n");
  EXPECT_EQ(cgroup_available(groups, root), mib);
}

MemoryNeed need(std::int64_t positions) {
  // 2 · 8 · 128 elements of 2 bytes in 16 layers: 64 KiB a token.
  return {.subject = "org/model",
          .weight_bytes = 100 * mib,
          .plan = graph::CachePlan(16, {.kv_heads = 8, .head_dim = 128, .window = 0}),
          .cache = {},
          .positions = positions,
          .cache_element_bytes = 2};
}

TEST(Memory, RefusesWithNumbersAndAContextThatFits) {
  check_memory(need(4096), 356 * mib);
  const Error refused = error_of([] { check_memory(need(4096), 300 * mib); });
  EXPECT_EQ(refused.kind(), ErrorKind::resource);
  EXPECT_STREQ(
      refused.what(),
      "org/model: needs 356.0 MiB (weights 100.0 MiB + cache 256.0 MiB at 4096 tokens), 300.0 MiB available; "
      "nothing was loaded");
  EXPECT_EQ(refused.hint(), "--max-kv-size 2048 needs 228.0 MiB");
}

TEST(Memory, WeightsThatDoNotFitHaveNoContextThatDoes) {
  const Error refused = error_of([] { check_memory(need(4096), 50 * mib); });
  EXPECT_EQ(refused.kind(), ErrorKind::resource);
  EXPECT_EQ(refused.hint(), "a model with weights below 50.0 MiB would fit");
}

}  // namespace
}  // namespace pome::services
