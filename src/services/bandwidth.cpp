// What this machine does without any model: reading memory, and sharing out work that is none.
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/select/select.h"
#include "services/bench.h"

namespace pome::services {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t huge_page = 2 << 20;
constexpr std::size_t piece = 256 << 10;

// Memory in the largest pages there are, since with small ones reading is slower by a half.
struct Free {
  void operator()(float* memory) const { std::free(memory); }
};
std::unique_ptr<float, Free> large_pages(std::size_t bytes) {
  std::unique_ptr<float, Free> memory(static_cast<float*>(std::aligned_alloc(huge_page, bytes)));
  if (!memory) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  ::madvise(memory.get(), bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace

// Sweeps over all of the memory, by turns each thread through a stretch of its own, and all threads side by
// side from piece to piece; which is faster depends on the machine.
double measure_read_bandwidth(int threads) {
  threads = std::clamp(threads, 1, 1024);
  constexpr std::size_t most_bytes = std::size_t{512} << 20;  // beyond every cache
  const std::size_t wanted = std::min<std::uint64_t>(most_bytes, available_memory() / 4);
  const auto count = static_cast<std::size_t>(threads);
  const std::size_t stretch = std::max(wanted / count / huge_page, std::size_t{1}) * huge_page;
  const std::size_t bytes = stretch * count, floats = piece / sizeof(float);
  const auto memory = large_pages(bytes);
  constexpr std::size_t sweeps = 8;
  std::array<std::atomic<std::size_t>, sweeps> next{};
  // By thread: each takes its own times, since whoever waits for all may itself be woken late.
  std::vector<std::array<Clock::time_point, sweeps>> begins(count), ends = begins;
  std::vector<float> totals(count);
  std::barrier together(threads);
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < count; ++t) {
    workers.emplace_back([&, t] {
      const std::size_t first = t * stretch / piece, last = first + stretch / piece;
      // Filled by the thread that reads it, so that it lies in that thread's memory.
      std::fill(memory.get() + first * floats, memory.get() + last * floats, 1.0F);
      const auto read = [&](std::size_t p) {
        totals[t] += kernels::largest(memory.get() + p * floats, std::int64_t{floats});
      };
      for (std::size_t sweep = 0; sweep < sweeps; ++sweep) {
        together.arrive_and_wait();
        begins[t][sweep] = Clock::now();
        if (sweep % 2 == 0) {
          for (std::size_t p = first; p < last; ++p) read(p);
        } else {
          for (std::size_t p; (p = next[sweep].fetch_add(1)) < bytes / piece;) read(p);
        }
        ends[t][sweep] = Clock::now();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  double best = std::numeric_limits<double>::infinity(), pieces_read = 0;
  for (std::size_t sweep = 0; sweep < sweeps; ++sweep) {
    auto begin = begins[0][sweep], end = ends[0][sweep];
    for (std::size_t t = 1; t < count; ++t) {
      begin = std::min(begin, begins[t][sweep]);
      end = std::max(end, ends[t][sweep]);
    }
    best = std::min(best, std::chrono::duration<double>(end - begin).count());
  }
  for (const float total : totals) pieces_read += static_cast<double>(total);
  if (const auto expected = static_cast<double>(sweeps * bytes / piece); pieces_read != expected) {
    fail(ErrorKind::internal, "read bandwidth: {} pieces were read, expected {}", pieces_read, expected);
  }
  return static_cast<double>(bytes) / best / 1e9;
}

double measure_phase_us(int threads) {
  ThreadPool pool(threads);
  constexpr int batches = 9, phases = 1000;
  struct alignas(128) Count {
    std::int64_t pieces = 0;
  };
  std::vector<Count> counts(static_cast<std::size_t>(pool.size()));  // by worker: nobody waits for a sum
  std::vector<double> us;
  for (int batch = 0; batch <= batches; ++batch) {
    const auto start = Clock::now();
    for (int i = 0; i < phases; ++i) {
      pool.run(pool.size(), 1, [&](std::int64_t begin, std::int64_t end, int worker) {
        counts[static_cast<std::size_t>(worker)].pieces += end - begin;
      });
    }
    const std::chrono::duration<double, std::micro> time = Clock::now() - start;
    if (batch > 0) us.push_back(time.count() / phases);  // during the first, threads may still be starting
  }
  std::int64_t done = 0;
  for (const Count& count : counts) done += count.pieces;
  if (const std::int64_t expected = std::int64_t{pool.size()} * phases * (batches + 1); done != expected)
    fail(ErrorKind::internal, "phases: {} pieces of work were done, expected {}", done, expected);
  std::nth_element(us.begin(), us.begin() + batches / 2, us.end());
  return us[batches / 2];
}

}  // namespace pome::services
