#include "services/memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#ifdef __APPLE__
#include <mach/mach.h>
#include <sys/resource.h>
#endif

namespace pome::services {
namespace {

// Files below /proc and /sys have no size: they are read to their end.
std::string read_pseudo_file(const fs::path& path) {
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return text;
  char part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, file)) > 0 && text.size() < (1u << 20);) {
    text.append(part, n);
  }
  std::fclose(file);
  return text;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  const auto start = text.find_first_not_of(" \t:");
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start);
  std::uint64_t value = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc()) return std::nullopt;
  return value;
}

// The number after a line's first word.
std::optional<std::uint64_t> number_of(std::string_view text, std::string_view word) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (line.starts_with(word) && line.size() > word.size() &&
        (line[word.size()] == ' ' || line[word.size()] == ':')) {
      return leading_number(line.substr(word.size()));
    }
    begin = end + 1;
  }
  return std::nullopt;
}

struct Controller {
  const char* limit;
  const char* usage;
  const char* reclaimable[2];  // of memory.stat: page cache, which gives way
};
constexpr Controller version_1{
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};
constexpr Controller version_2{"memory.max", "memory.current", {"inactive_file", "active_file"}};

std::uint64_t limit_of(const fs::path& group, const Controller& files) {
  return leading_number(read_pseudo_file(group / files.limit)).value_or(UINT64_MAX);
}

std::uint64_t left_in(const fs::path& group, const Controller& files) {
  const auto limit = leading_number(read_pseudo_file(group / files.limit));
  const auto usage = leading_number(read_pseudo_file(group / files.usage));
  if (!limit || !usage) return UINT64_MAX;  // "max", or no such controller
  const std::string stat = read_pseudo_file(group / "memory.stat");
  std::uint64_t reclaimable = 0;
  for (const char* name : files.reclaimable) reclaimable += number_of(stat, name).value_or(0);
  const std::uint64_t used = *usage - std::min(*usage, reclaimable);
  return *limit - std::min(*limit, used);
}

// Every group up to the root may have a limit of its own. Inside a container the path can lie outside the
// mount; the root of the mount is then the group itself.
using Measure = std::uint64_t (*)(const fs::path& group, const Controller& files);

std::uint64_t least_of(const fs::path& root, std::string_view path, const Controller& files,
                       Measure measure) {
  constexpr int most_groups = 100;
  std::uint64_t least = measure(root, files);
  fs::path group = root;
  int depth = 0;
  for (const fs::path& part : fs::path(path).relative_path()) {
    if (part == ".." || ++depth > most_groups) break;
    group /= part;
    least = std::min(least, measure(group, files));
  }
  return least;
}

// Over the hierarchies of /proc/self/cgroup.
std::uint64_t least_of_all(const fs::path& proc_self_cgroup, const fs::path& cgroup_root, Measure measure) {
  const std::string groups = read_pseudo_file(proc_self_cgroup);
  std::uint64_t least = UINT64_MAX;
  for (std::size_t begin = 0; begin < groups.size();) {  // "hierarchy:controllers:path"
    const std::size_t end = std::min(groups.find('\n', begin), groups.size());
    const std::string_view line = std::string_view(groups).substr(begin, end - begin);
    begin = end + 1;
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view path = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, least_of(cgroup_root, path, version_2, measure));
    } else if (fmt::format(",{},", controllers).find(",memory,") != std::string::npos) {
      least = std::min(least, least_of(cgroup_root / "memory", path, version_1, measure));
    }
  }
  return least;
}

std::uint64_t system_available() {
#ifdef __APPLE__
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (::host_statistics64(::mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages),
                          &count) != KERN_SUCCESS) {
    return UINT64_MAX;
  }
  const std::uint64_t free_pages =
      std::uint64_t{pages.free_count} + pages.inactive_count + pages.purgeable_count;
  return free_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
#else
  const auto kib = number_of(read_pseudo_file("/proc/meminfo"), "MemAvailable");
  return kib ? *kib * 1024 : UINT64_MAX;
#endif
}

}  // namespace

std::uint64_t cgroup_available(const fs::path& proc_self_cgroup, const fs::path& cgroup_root) {
  return least_of_all(proc_self_cgroup, cgroup_root, left_in);
}

std::uint64_t cgroup_limit(const fs::path& proc_self_cgroup, const fs::path& cgroup_root) {
  return least_of_all(proc_self_cgroup, cgroup_root, limit_of);
}

std::uint64_t total_memory() {
  const std::uint64_t machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min(machine, cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
}

std::uint64_t available_memory() {
  return std::min(system_available(), cgroup_available("/proc/self/cgroup", "/sys/fs/cgroup"));
}

std::uint64_t peak_memory_bytes() {
#ifdef __APPLE__
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<std::uint64_t>(usage.ru_maxrss) : 0;
#else
  // Not getrusage's: that begins with the peak of the program that started this one.
  return number_of(read_pseudo_file("/proc/self/status"), "VmHWM").value_or(0) * 1024;
#endif
}

bool forget_peak_memory() {
#ifdef __APPLE__
  return false;
#else
  // "5" resets VmHWM (proc(5)).
  std::FILE* file = std::fopen("/proc/self/clear_refs", "we");
  if (file == nullptr) return false;
  const bool written = std::fputs("5", file) >= 0;
  return std::fclose(file) == 0 && written;
#endif
}

std::uint64_t anonymous_memory_bytes() {
  return number_of(read_pseudo_file("/proc/self/status"), "RssAnon").value_or(0) * 1024;
}

}  // namespace pome::services
