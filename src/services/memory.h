// How much memory there is, and whether a model fits.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"
#include "graph/cache.h"

namespace pome::services {

// Bytes this process may still take: what the system calls available (page cache counts, it gives way), or
// what the cgroups leave where that is less.
std::uint64_t available_memory();

// The least that the cgroups of /proc/self/cgroup leave, UINT64_MAX without a limit. The folders are
// parameters for tests.
std::uint64_t cgroup_available(const fs::path& proc_self_cgroup, const fs::path& cgroup_root);

// Bytes this process may take when nobody else takes any: the machine's memory, or the least limit of the
// cgroups.
std::uint64_t total_memory();

// The least limit of those cgroups, UINT64_MAX without one.
std::uint64_t cgroup_limit(const fs::path& proc_self_cgroup, const fs::path& cgroup_root);

// Peak resident bytes of this process.
std::uint64_t peak_memory_bytes();

// Resident bytes of this process that are not views of files; 0 where the system does not say.
std::uint64_t anonymous_memory_bytes();

// What a model is about to occupy.
struct MemoryNeed {
  std::string subject;             // the model, for the message
  std::uint64_t weight_bytes = 0;  // 0: they are there already
  graph::CachePlan plan;
  graph::CacheOptions cache;
  std::int64_t positions = 0;
  int cache_element_bytes = 0;
};

// Throws Error(resource) with the numbers where it is more than available_bytes; the hint is a context that
// would fit, if there is one.
void check_memory(const MemoryNeed& need, std::uint64_t available_bytes);

}  // namespace pome::services
