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

TEST(Memory, TheLeastLimitOfAllGroupsIsWhatThereIs) {
  const TinyLibrary tiny;
  const fs::path groups = tiny.scratch.path() / "proc", root = tiny.scratch.path() / "cgroup";
  EXPECT_EQ(cgroup_limit(groups, root), UINT64_MAX);  // no cgroups at all
  tiny.put("proc", "0::/outer/inner\n");
  tiny.put("cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(cgroup_limit(groups, root), UINT64_MAX);
  tiny.put("cgroup/outer/memory.max", "104857600\n");
  EXPECT_EQ(cgroup_limit(groups, root), 100 * mib);
  tiny.put("cgroup/memory.max", "73400320\n");  // in a container the mount is the group
  EXPECT_EQ(cgroup_limit(groups, root), 70 * mib);
  tiny.put("proc", "7:cpuset:/x\n4:cpu,memory:/old\n1:name=systemd:/\n");
  tiny.put("cgroup/memory/old/memory.limit_in_bytes", "2097152\n");
  tiny.put("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // none, as version 1 says it
  EXPECT_EQ(cgroup_limit(groups, root), 2 * mib);
  for (const char* odd : {"", "-1\n", "99999999999999999999999\n", "x", "\n\n"}) {
    tiny.put("cgroup/memory/old/memory.limit_in_bytes", odd);
    EXPECT_EQ(cgroup_limit(groups, root), 9223372036854771712u) << odd;
  }
  std::string deep = "0::";
  for (int i = 0; i < 10000; ++i) deep += "/a";
  tiny.put("proc", ":\n::\n" + deep + "\n0::/../../outer");
  EXPECT_EQ(cgroup_limit(groups, root), 70 * mib);
  EXPECT_LE(available_memory(), total_memory());
}

}  // namespace
}  // namespace pome::services
