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

// What a worker's first chunk of a later loop will read.
using Stretches = std::array<Stretch, 3>;

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

  // Calls work(begin, end, worker) until every index in [0, count) is covered once, in pieces of `chunk`
  // indices (the last may be shorter), and returns when all have ended; what work wrote is then visible to
  // the caller. 0 ≤ worker < size(), and no two calls with the same worker overlap. Thread-safe: a second
  // caller waits for the first. Work must not call run() of the same pool. The first exception that work
  // throws is rethrown here, after the chunks in progress have ended; chunks not begun are skipped.
  //
  // `soon`: for each worker, or empty. Workers fetch it into their caches while they wait for others to end
  // and for the next loop. Nothing is read, so that the memory need not outlive anything.
  template <class Work>
  void run(std::int64_t count, std::int64_t chunk, Work&& work, std::span<const Stretches> soon = {}) {
    Task task;
    task.call = [](void* context, std::int64_t begin, std::int64_t end, int worker) {
      (*static_cast<std::remove_reference_t<Work>*>(context))(begin, end, worker);
    };
    task.context = const_cast<void*>(static_cast<const void*>(&work));
    task.count = count;
    task.chunk = chunk;
    run_task(task, soon);
  }

 private:
  struct Task {
    void (*call)(void* context, std::int64_t begin, std::int64_t end, int worker) = nullptr;
    void* context = nullptr;
    std::int64_t count = 0;
    std::int64_t chunk = 1;
  };

  using Clock = std::chrono::steady_clock;

  // A loop costs as many journeys of cache lines between cores as have to wait for each other, so what the
  // caller tells a worker is in one line, and what a worker tells the caller in another.
  struct Desk {
    // The chunks that nobody has claimed yet: [upper half, lower half). One compare-and-swap claims one.
    // Whoever succeeds has claimed a chunk of the task in progress, even if it looked during an earlier one:
    // the task stays put until all claimed chunks have ended.
    alignas(128) std::atomic<std::uint64_t> range{0};
    std::atomic<std::uint32_t> tasks{0};  // counts them
    Task task;

    alignas(64) std::atomic<std::uint32_t> announced{0};  // counts announcements
    std::array<std::atomic<std::uintptr_t>, std::tuple_size_v<Stretches>> begins{};
    std::array<std::atomic<std::uint32_t>, std::tuple_size_v<Stretches>> bytes{};

    alignas(128) std::atomic<std::uint32_t> ended{0};  // counts the chunks that this worker ran
    std::atomic<bool> asleep{false};

    alignas(64) std::atomic<Clock::time_point> idle_since{Clock::time_point{}};
  };

  // What is left to fetch of the latest announcement.
  struct Fetch {
    std::uint32_t announced = 0;
    std::array<std::uintptr_t, std::tuple_size_v<Stretches>> next{};
    std::array<std::uintptr_t, std::tuple_size_v<Stretches>> end{};

    void some();
  };

  void run_task(Task task, std::span<const Stretches> soon);
  void share_out(const Task& task, std::uint32_t chunks, std::span<const Stretches> soon);
  void wake_sleepers();
  void work_loop(int worker);
  std::uint32_t run_chunks(int worker);
  void run_chunk(const Desk& desk, std::uint32_t chunk, int worker);
  void count_ended(int worker, std::uint32_t chunks);
  void announce(int worker, const Stretches& soon);
  void take_announcement(int worker, Fetch& fetch);
  template <class Ready>
  bool wait_for(int worker, Fetch& fetch, Ready ready);
  void watch(Clock::time_point begin, bool last);

  std::vector<Desk> desks_;       // by worker
  Fetch fetch_;                   // of worker 0
  std::uint32_t others_end_ = 0;  // chunks that the others have run when the task is done
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;

  // What was lost since then by waiting for workers that were interrupted, the caller among them.
  Clock::time_point watched_since_;
  Clock::duration lost_{};
  Clock::duration rest_{};  // how long the worker that rests does so
  Clock::time_point rest_ends_;
  std::atomic<int> taking_part_{1};

  std::atomic<std::uint64_t> shared_loops_{0};
  alignas(64) std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable task_ended_;
  std::mutex run_mutex_;
  std::vector<std::thread> workers_;
};

}  // namespace pome
