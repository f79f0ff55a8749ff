#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#ifdef __linux__
#include <sched.h>
#endif

namespace pome {
namespace {

constexpr std::chrono::microseconds spin_time{40};

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// True as soon as `ready` is, false after spin_time.
template <class Ready>
bool spin_until(Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

#ifdef __linux__
int cpus_of_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

#endif

constexpr int no_quota = 1 << 20;

int whole_processors(double quota_us, double period_us) {
  if (!(quota_us > 0) || !(period_us > 0)) return no_quota;  // "max", -1, or no such file
  return std::max(1, static_cast<int>(std::ceil(std::min(quota_us / period_us, 1e6))));
}

double number_in(std::istream& file) {
  std::string word;
  return file >> word ? std::atof(word.c_str()) : 0;
}

// Version 2 has "max 100000" or "150000 100000" in one file, version 1 a file for each.
int quota_of(const std::string& group) {
  if (std::ifstream both(group + "/cpu.max"); both) {
    const double quota = number_in(both);
    return whole_processors(quota, number_in(both));
  }
  std::ifstream quota(group + "/cpu.cfs_quota_us"), period(group + "/cpu.cfs_period_us");
  return whole_processors(number_in(quota), number_in(period));
}

}  // namespace

// Every ancestor's quota binds, up to the root of what this process can see.
int cgroup_processors(const std::string& proc_self_cgroup, const std::string& cgroup_root) {
  int processors = no_quota;
  std::ifstream own(proc_self_cgroup);
  for (std::string line; std::getline(own, line);) {  // "hierarchy:controllers:path"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool version_2 = controllers == ",,";
    if (!version_2 && controllers.find(",cpu,") == std::string::npos) continue;
    const std::string root = cgroup_root + (version_2 ? "" : "/cpu");
    processors = std::min(processors, quota_of(root));
    for (std::string path = line.substr(second + 1); path.size() > 1 && path.front() == '/';
         path.resize(path.rfind('/'))) {
      processors = std::min(processors, quota_of(root + path));
    }
  }
  return processors;
}

int default_threads() {
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  if (const int allowed = cpus_of_affinity()) cpus = allowed;
  cpus = std::min(cpus, cgroup_processors("/proc/self/cgroup", "/sys/fs/cgroup"));
#endif
  return std::max(cpus, 1);
}

ThreadPool::ThreadPool(int threads) {
  workers_.reserve(static_cast<std::size_t>(std::max(threads - 1, 0)));
  for (int worker = 1; worker < threads; ++worker) {
    try {
      workers_.emplace_back([this, worker] { work_loop(worker); });
    } catch (const std::system_error&) {  // a limit on threads: those that started will do
      break;
    }
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_arrived_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::has_work() const { return (ticket_.load() & 0xffffffffu) != 0; }

// Claims and runs one chunk; false when there is none to claim.
bool ThreadPool::run_one(int worker) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  do {
    if ((ticket & 0xffffffffu) == 0) return false;
  } while (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel));

  const std::int64_t index = task_.chunks - static_cast<std::int64_t>(ticket & 0xffffffffu);
  const std::uint32_t chunks = task_.chunks;
  if (!failed_.load(std::memory_order_relaxed)) {
    const std::int64_t begin = index * task_.chunk;
    try {
      task_.call(task_.context, begin, std::min(begin + task_.chunk, task_.count), worker);
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!failed_.exchange(true)) failure_ = std::current_exception();
    }
  }
  // From here on the caller may already be preparing its next task: only the pool's own members are touched.
  if (ended_.fetch_add(1) + 1 == chunks && caller_sleeps_.load()) {
    std::lock_guard lock(mutex_);
    task_ended_.notify_one();
  }
  return true;
}

void ThreadPool::work_loop(int worker) {
  for (;;) {
    if (run_one(worker)) continue;
    if (spin_until([this] { return has_work() || stop_.load(); })) {
      if (stop_.load()) return;
      continue;
    }
    // run_task() publishes and then reads sleepers_; here it is the other way round, all sequentially
    // consistent, so one of the two sees the other.
    std::unique_lock lock(mutex_);
    ++sleepers_;
    work_arrived_.wait(lock, [this] { return has_work() || stop_.load(); });
    --sleepers_;
    if (stop_.load()) return;
  }
}

void ThreadPool::run_task(Task task) {
  if (task.count <= 0) return;
  std::lock_guard one_at_a_time(run_mutex_);
  task.chunk = std::max<std::int64_t>({task.chunk, 1, task.count / 0x7fffffff + 1});
  task.chunks = static_cast<std::uint32_t>((task.count + task.chunk - 1) / task.chunk);
  if (task.chunks == 1 || workers_.empty()) {
    for (std::int64_t begin = 0; begin < task.count; begin += task.chunk) {
      task.call(task.context, begin, std::min(begin + task.chunk, task.count), 0);
    }
    return;
  }

  shared_loops_.fetch_add(1, std::memory_order_relaxed);
  task_ = task;
  failed_.store(false, std::memory_order_relaxed);
  ended_.store(0, std::memory_order_relaxed);
  ticket_.store(((ticket_.load(std::memory_order_relaxed) >> 32) + 1) << 32 | task.chunks);
  if (sleepers_.load() > 0) {
    {
      std::lock_guard lock(mutex_);
    }  // whoever is about to sleep has either seen the task or sleeps by now
    work_arrived_.notify_all();
  }

  while (run_one(0)) {
  }
  const auto all_ended = [&] { return ended_.load() == task.chunks; };
  if (!spin_until(all_ended)) {
    std::unique_lock lock(mutex_);
    caller_sleeps_ = true;
    task_ended_.wait(lock, all_ended);
    caller_sleeps_ = false;
  }
  if (failed_.load()) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace pome
