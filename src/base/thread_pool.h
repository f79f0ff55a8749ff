// Threads that share loops with the thread that computes.
//
// The caller is worker 0 and takes chunks like any other, so a loop never waits for a worker that has not
// woken: when other processes hold the remaining cores, the caller finishes alone. Every worker has a range
// of neighbouring chunks, so that it walks through memory in one direction and what it fetched into its cache
// beforehand is of use, and takes chunks off the ends of others' ranges when its own is done. Idle workers
// spin for a fraction of a millisecond, because the next loop of a forward pass follows at once and the next
// token soon, and waking a thread costs more than that, and sleep afterwards.
//
// A loop does wait for a worker that was interrupted within a chunk. Where that keeps happening, because
// another process wants a core too, one worker fewer takes part for a while.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
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

// Memory, as addresses.
struct Stretch {
  const void* begin = nullptr;
  std::size_t bytes = 0;
};

class ThreadPool {
 public:
  // Starts threads - 1 workers; threads below 1 counts as 1.
  explicit ThreadPool(int threads = default_threads());
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Workers that share loops at present: all, or fewer beside other processes.
  int taking_part() const { return taking_part_.load(std::memory_order_relaxed); }

  // Loops that the workers were called for; short ones are the caller's alone. For measuring.
  std::uint64_t shared_loops() const { return shared_loops_.load(std::memory_order_relaxed); }

  // What the worker's first chunk of a later loop will read, at most three stretches of memory: the worker
  // fetches them into its cache while it waits. Nothing is read, so they need not outlive anything. Not
  // thread-safe; to be called by who calls run().
  void announce(int worker, std::span<const Stretch> soon);

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

  using Clock = std::chrono::steady_clock;

  static constexpr int most_stretches = 3;

  // A worker's own cache lines.
  struct alignas(64) Desk {
    // The chunks that nobody has claimed yet: [upper half, lower half). One compare-and-swap claims one.
    // Whoever succeeds has claimed a chunk of the task in progress, even if it looked during an earlier one:
    // task_ stays put until all claimed chunks have ended.
    std::atomic<std::uint64_t> range{0};
    std::atomic<Clock::time_point> idle_since{Clock::time_point{}};
    std::atomic<std::uint32_t> announced{0};  // counts announcements
    std::array<std::atomic<std::uintptr_t>, most_stretches> begins{};
    std::array<std::atomic<std::uint32_t>, most_stretches> bytes{};
  };

  // What is left to fetch of the latest announcement.
  struct Fetch {
    std::uint32_t announced = 0;
    std::array<std::uintptr_t, most_stretches> next{};
    std::array<std::uintptr_t, most_stretches> end{};
  };

  void run_task(Task task);
  void work_loop(int worker);
  std::uint32_t run_chunks(int worker);
  void run_chunk(std::uint32_t chunk, int worker);
  void count_ended(std::uint32_t chunks);
  bool takes_part(int worker) const { return worker < taking_part_.load(std::memory_order_relaxed); }
  void fetch_some(int worker, Fetch& fetch);
  template <class Ready>
  bool wait_for(int worker, Fetch& fetch, Ready ready);
  void watch(Clock::time_point begin, bool waited);
  void set_taking_part(int workers);

  alignas(64) std::atomic<std::uint32_t> tasks_{0};  // counts them
  alignas(64) std::atomic<std::uint32_t> ended_{0};
  Task task_;
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;

  std::vector<Desk> desks_;  // by worker
  Fetch fetch_;              // of worker 0

  // What was lost since then by waiting for workers that were interrupted, the caller among them.
  Clock::time_point watched_since_;
  Clock::duration lost_{};
  Clock::duration rest_{};  // how long the worker that rests does so
  Clock::time_point rest_ends_;
  std::atomic<int> taking_part_{1};

  std::atomic<std::uint64_t> shared_loops_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable rest_over_;
  std::condition_variable task_ended_;
  std::mutex run_mutex_;
  std::vector<std::thread> workers_;
};

}  // namespace pome
