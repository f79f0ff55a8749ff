// How much memory there is, and how much of it this process has.
#pragma once

#include <cstdint>

#include "base/file.h"

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

// Peak resident bytes of this process, since forget_peak_memory() where that was possible.
std::uint64_t peak_memory_bytes();

// Lets the peak begin anew at what is resident now. False where the system does not do that.
bool forget_peak_memory();

// Resident bytes of this process that are not views of files; 0 where the system does not say.
std::uint64_t anonymous_memory_bytes();

}  // namespace pome::services
