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

constexpr std::chrono::microseconds spin_time{200};

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A loop is late when its last worker ends so long after the others, and half as long again as they took.
constexpr std::chrono::microseconds late{150};
// A worker rests where an eighth of so long went by in waiting for late ones.
constexpr std::chrono::milliseconds watch_time{20};
constexpr std::chrono::milliseconds shortest_rest{60}, longest_rest{2000};

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

ThreadPool::ThreadPool(int threads)
    : desks_(static_cast<std::size_t>(std::max(threads, 1))), taking_part_(std::max(threads, 1)) {
  workers_.reserve(static_cast<std::size_t>(std::max(threads - 1, 0)));
  for (int worker = 1; worker < threads; ++worker) {
    try {
      workers_.emplace_back([this, worker] { work_loop(worker); });
    } catch (const std::system_error&) {  // a limit on threads: those that started will do
      taking_part_ = worker;
      break;
    }
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    for (Desk& desk : desks_) desk.tasks.fetch_add(1);
  }
  work_arrived_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::announce(int worker, const Stretches& soon) {
  Desk& desk = desks_[static_cast<std::size_t>(worker)];
  for (std::size_t i = 0; i < soon.size(); ++i) {
    desk.begins[i].store(reinterpret_cast<std::uintptr_t>(soon[i].begin), std::memory_order_relaxed);
    desk.bytes[i].store(static_cast<std::uint32_t>(soon[i].bytes), std::memory_order_relaxed);
  }
  desk.announced.store(desk.announced.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

// Who looks while somebody announces may fetch a mixture, which harms nobody.
void ThreadPool::take_announcement(int worker, Fetch& fetch) {
  const Desk& desk = desks_[static_cast<std::size_t>(worker)];
  const std::uint32_t announced = desk.announced.load(std::memory_order_acquire);
  if (announced == fetch.announced) return;
  fetch.announced = announced;
  for (std::size_t i = 0; i < fetch.next.size(); ++i) {
    fetch.next[i] = desk.begins[i].load(std::memory_order_relaxed);
    fetch.end[i] = fetch.next[i] + desk.bytes[i].load(std::memory_order_relaxed);
  }
}

// True as soon as `ready` is, false after spin_time. `fetch` goes on meanwhile, a few lines at a time.
template <class Ready>
bool ThreadPool::wait_for(int worker, Fetch& fetch, Ready ready) {
  const Clock::time_point begin = Clock::now(), deadline = begin + spin_time;
  desks_[static_cast<std::size_t>(worker)].idle_since.store(begin, std::memory_order_relaxed);
  take_announcement(worker, fetch);
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      fetch.some();
      pause_cpu();
    }
  } while (Clock::now() < deadline);
  return ready();
}

void ThreadPool::Fetch::some() {
  constexpr std::uintptr_t line = 64, at_once = 8 * line;
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (next[i] == end[i]) continue;
    const std::uintptr_t stop = next[i] + std::min(at_once, end[i] - next[i]);
    for (std::uintptr_t at = next[i]; at < stop; at += line) {
      __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 2);
    }
    next[i] = stop;
    return;
  }
}

// `desk`: whose range the chunk was claimed of.
void ThreadPool::run_chunk(const Desk& desk, std::uint32_t chunk, int worker) {
  if (failed_.load(std::memory_order_relaxed)) return;
  const Task& task = desk.task;
  const std::int64_t begin = chunk * task.chunk;
  try {
    task.call(task.context, begin, std::min(begin + task.chunk, task.count), worker);
  } catch (...) {
    std::lock_guard lock(mutex_);
    if (!failed_.exchange(true)) failure_ = std::current_exception();
  }
}

// Once its last chunk is counted the caller may already be preparing its next task: only the pool's own
// members are touched then.
void ThreadPool::count_ended(int worker, std::uint32_t chunks) {
  if (worker == 0) return;  // the caller knows
  desks_[static_cast<std::size_t>(worker)].ended.fetch_add(chunks);
  if (caller_sleeps_.load()) {
    std::lock_guard lock(mutex_);
    task_ended_.notify_one();
  }
}

// Runs what there is to claim: its own chunks from the front, then others' from the back, of the longest
// range first. Returns how many.
std::uint32_t ThreadPool::run_chunks(int worker) {
  const auto left = [](std::uint64_t range) {
    return static_cast<std::uint32_t>(range) - static_cast<std::uint32_t>(range >> 32);
  };
  std::uint32_t ran = 0;
  Desk& own = desks_[static_cast<std::size_t>(worker)];
  for (std::uint64_t range = own.range.load(std::memory_order_acquire); left(range) > 0;) {
    if (!own.range.compare_exchange_weak(range, range + (std::uint64_t{1} << 32), std::memory_order_acq_rel))
      continue;
    run_chunk(own, static_cast<std::uint32_t>(range >> 32), worker);
    ++ran;
    range = own.range.load(std::memory_order_acquire);
  }
  if (ran > 0) count_ended(worker, ran);
  for (;;) {
    Desk* longest = nullptr;
    std::uint64_t range = 0;
    for (Desk& desk : desks_) {
      const std::uint64_t other = desk.range.load(std::memory_order_acquire);
      if (left(other) <= left(range)) continue;
      longest = &desk;
      range = other;
    }
    if (longest == nullptr) return ran;
    if (!longest->range.compare_exchange_strong(range, range - 1, std::memory_order_acq_rel)) continue;
    run_chunk(*longest, static_cast<std::uint32_t>(range) - 1, worker);
    count_ended(worker, 1);
    ++ran;
  }
}

// A worker that is to rest hears of no task, and sleeps soon.
void ThreadPool::work_loop(int worker) {
  Desk& desk = desks_[static_cast<std::size_t>(worker)];
  Fetch fetch;
  std::uint32_t seen = 0;
  const auto news = [&] { return desk.tasks.load() != seen; };
  for (;;) {
    if (!wait_for(worker, fetch, news)) {
      // run_task() publishes and then looks who is asleep; here it is the other way round, all sequentially
      // consistent, so one of the two sees the other.
      std::unique_lock lock(mutex_);
      desk.asleep = true;
      work_arrived_.wait(lock, news);
      desk.asleep = false;
    }
    seen = desk.tasks.load();
    if (stop_.load()) return;
    run_chunks(worker);
  }
}

// Gives every worker that takes part its range. The first chunk of all is the caller's already.
void ThreadPool::share_out(const Task& task, std::uint32_t chunks, std::span<const Stretches> soon) {
  const auto part = static_cast<std::uint64_t>(taking_part());
  const auto first = [&](std::uint64_t worker) { return (chunks * worker + part - 1) / part; };
  for (std::uint64_t worker = 0; worker < part; ++worker) {
    if (!soon.empty()) announce(static_cast<int>(worker), soon[worker]);
    Desk& desk = desks_[worker];
    desk.task = task;
    const std::uint64_t begin = worker == 0 ? 1 : first(worker);
    desk.range.store(begin << 32 | first(worker + 1), std::memory_order_release);
    desk.tasks.store(desk.tasks.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
}

void ThreadPool::wake_sleepers() {
  const auto asleep = [](const Desk& desk) { return desk.asleep.load(); };
  if (std::none_of(desks_.begin(), desks_.begin() + taking_part(), asleep)) return;
  {
    std::lock_guard lock(mutex_);
  }  // whoever is about to sleep has either seen the task or sleeps by now
  work_arrived_.notify_all();
}

void ThreadPool::run_task(Task task, std::span<const Stretches> soon) {
  if (task.count <= 0) return;
  std::lock_guard one_at_a_time(run_mutex_);
  task.chunk = std::max<std::int64_t>({task.chunk, 1, task.count / 0x7fffffff + 1});
  const auto chunks = static_cast<std::uint32_t>((task.count + task.chunk - 1) / task.chunk);
  if (chunks == 1 || workers_.empty()) {
    for (std::int64_t begin = 0; begin < task.count; begin += task.chunk) {
      task.call(task.context, begin, std::min(begin + task.chunk, task.count), 0);
    }
    return;
  }

  shared_loops_.store(shared_loops() + 1, std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  share_out(task, chunks, soon);
  const Clock::time_point begin = Clock::now();  // while the news travels
  wake_sleepers();
  run_chunk(desks_[0], 0, 0);
  // Before this fence the tasks may not have left the core, and whoever went to sleep not have seen them.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  wake_sleepers();

  others_end_ += chunks - 1 - run_chunks(0);
  const auto all_ended = [&] {
    std::uint32_t ended = 0;
    for (const Desk& desk : desks_) ended += desk.ended.load();
    return ended == others_end_;
  };
  const bool last = all_ended();
  if (!last && !wait_for(0, fetch_, all_ended)) {
    std::unique_lock lock(mutex_);
    caller_sleeps_ = true;
    task_ended_.wait(lock, all_ended);
    caller_sleeps_ = false;
  }
  watch(begin, last);
  if (failed_.load()) std::rethrow_exception(std::exchange(failure_, nullptr));
}

// Decides how many workers take part, by a loop that has ended. `last`: the caller was.
void ThreadPool::watch(Clock::time_point begin, bool last) {
  const Clock::time_point end = Clock::now();
  if (end - begin > late) {
    Clock::time_point others_ended = last ? begin : desks_[0].idle_since.load(std::memory_order_relaxed);
    for (std::size_t worker = 1; last && worker < desks_.size(); ++worker) {
      others_ended = std::max(others_ended, desks_[worker].idle_since.load(std::memory_order_relaxed));
    }
    if (end - others_ended > late && 2 * (end - others_ended) > others_ended - begin) {
      lost_ += end - others_ended;
    }
  }
  if (end - watched_since_ < watch_time) return;
  const bool idle = end - watched_since_ > 4 * watch_time;  // nothing ran for a while
  const bool disturbed = !idle && 8 * lost_ > end - watched_since_;
  const int part = taking_part();
  if (disturbed && part == size()) {
    rest_ = std::clamp<Clock::duration>(2 * rest_, shortest_rest, longest_rest);
    rest_ends_ = end + rest_;
    taking_part_ = part - 1;
  } else if (part < size() && end > rest_ends_) {
    taking_part_ = size();
  } else if (!disturbed && part == size()) {
    rest_ /= 2;
  }
  watched_since_ = end;
  lost_ = {};
}

}  // namespace pome
