// What this machine does without any model: reading memory, and sharing out work that is none.
#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <limits>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/select/select.h"
#include "services/bench.h"

namespace pome::services {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

double measure_read_bandwidth(int threads) {
  threads = std::clamp(threads, 1, 1024);
  constexpr std::size_t least_bytes = std::size_t{512} << 20;  // beyond every cache
  const std::size_t wanted = std::min<std::uint64_t>(least_bytes, available_memory() / 4);
  const std::size_t floats =
      std::max(wanted / sizeof(float) / static_cast<std::size_t>(threads), std::size_t{1} << 16);
  constexpr std::size_t sweeps = 6;
  // By thread: each takes its own times, since whoever waits for all may itself be woken late.
  std::vector<std::array<Clock::time_point, sweeps>> begins(static_cast<std::size_t>(threads)), ends = begins;
  std::vector<float> totals(static_cast<std::size_t>(threads));
  std::barrier together(threads);
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < totals.size(); ++t) {
    workers.emplace_back([&, t] {
      // Filled by the thread that reads it, so that it lies in that thread's memory.
      const std::vector<float> slice(floats, static_cast<float>(t + 1));
      for (std::size_t sweep = 0; sweep < sweeps; ++sweep) {
        together.arrive_and_wait();
        begins[t][sweep] = Clock::now();
        totals[t] += kernels::largest(slice.data(), static_cast<std::int64_t>(floats));
        ends[t][sweep] = Clock::now();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t sweep = 0; sweep < sweeps; ++sweep) {
    auto begin = begins[0][sweep], end = ends[0][sweep];
    for (std::size_t t = 1; t < totals.size(); ++t) {
      begin = std::min(begin, begins[t][sweep]);
      end = std::max(end, ends[t][sweep]);
    }
    best = std::min(best, std::chrono::duration<double>(end - begin).count());
  }
  for (std::size_t t = 0; t < totals.size(); ++t) {  // what the compiler could otherwise leave out
    const auto expected = static_cast<float>((t + 1) * sweeps);
    if (totals[t] != expected)
      fail(ErrorKind::internal, "read bandwidth: the sum of the largest is {}, expected {}", totals[t],
           expected);
  }
  const double bytes = static_cast<double>(floats) * sizeof(float) * threads;
  return bytes / best / 1e9;
}

double measure_phase_us(int threads) {
  ThreadPool pool(threads);
  constexpr int phases = 2000;
  std::atomic<std::int64_t> done{0};
  const auto start = Clock::now();
  for (int i = 0; i < phases; ++i) {
    pool.run(pool.size(), 1, [&](std::int64_t begin, std::int64_t end, int) {
      done.fetch_add(end - begin, std::memory_order_relaxed);
    });
  }
  const double us = std::chrono::duration<double, std::micro>(Clock::now() - start).count() / phases;
  if (const std::int64_t expected = std::int64_t{pool.size()} * phases; done != expected)
    fail(ErrorKind::internal, "phases: {} pieces of work were done, expected {}", done.load(), expected);
  return us;
}

}  // namespace pome::services
