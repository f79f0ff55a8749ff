// Threads that share loops with the thread that computes.
//
// The caller is worker 0 and takes chunks like any other, so a loop never waits for a worker that has not
// woken: when other processes hold the remaining cores, the caller finishes alone. Chunks are claimed one at
// a time from a counter. Idle workers spin for a few tens of microseconds, because the next loop of a forward
// pass follows at once and waking a thread costs more than that, and sleep afterwards.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace pome {

// The processors this process may really use: the smaller of its affinity mask and its cgroups' quota, at
// least 1.
int default_threads();

// Whole processors that the CPU quotas of /proc/self/cgroup leave, of either version of cgroups; a large
// number without one. The folders are parameters for tests.
int cgroup_processors(const std::string& proc_self_cgroup, const std::string& cgroup_root);

class ThreadPool {
 public:
  // Starts threads - 1 workers; threads below 1 counts as 1.
  explicit ThreadPool(int threads = default_threads());
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Loops that the workers were called for; short ones are the caller's alone. For measuring.
  std::uint64_t shared_loops() const { return shared_loops_.load(std::memory_order_relaxed); }

  // Calls work(begin, end, worker) until every index in [0, count) is covered once, in pieces of `chunk`
  // indices (the last may be shorter), and returns when all have ended; what work wrote is then visible to
  // the caller. 0 ≤ worker < size(), and no two calls with the same worker overlap. Thread-safe: a second
  // caller waits for the first. Work must not call run() of the same pool. The first exception that work
  // throws is rethrown here, after the chunks in progress have ended; chunks not begun are skipped.
  template <class Work>
  void run(std::int64_t count, std::int64_t chunk, Work&& work) {
    Task task;
    task.call = [](void* context, std::int64_t begin, std::int64_t end, int worker) {
      (*static_cast<std::remove_reference_t<Work>*>(context))(begin, end, worker);
    };
    task.context = const_cast<void*>(static_cast<const void*>(&work));
    task.count = count;
    task.chunk = chunk;
    run_task(task);
  }

 private:
  struct Task {
    void (*call)(void* context, std::int64_t begin, std::int64_t end, int worker) = nullptr;
    void* context = nullptr;
    std::int64_t count = 0;
    std::int64_t chunk = 1;
    std::uint32_t chunks = 0;
  };

  void run_task(Task task);
  void work_loop(int worker);
  bool run_one(int worker);
  bool has_work() const;

  // The upper half numbers the task, the lower half counts chunks nobody has claimed. One compare-and-swap
  // thus claims a chunk of the task that it looked at, and of no later one; task_ stays put until all claimed
  // chunks have ended.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> ended_{0};
  Task task_;
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;

  std::atomic<std::uint64_t> shared_loops_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable task_ended_;
  std::mutex run_mutex_;
  std::vector<std::thread> workers_;
};

}  // namespace pome
