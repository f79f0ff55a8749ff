#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "services/bench.h"

namespace pome::services {
namespace {

using Clock = std::chrono::steady_clock;

// Eight sums side by side, so that adding never waits for the sum before.
std::uint64_t sum(std::span<const std::uint64_t> words) {
  std::uint64_t sums[8] = {};
  for (std::size_t i = 0; i + 8 <= words.size(); i += 8) {
    for (std::size_t k = 0; k < 8; ++k) sums[k] += words[i + k];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t part : sums) total += part;
  return total;
}

}  // namespace

double measure_read_bandwidth(int threads) {
  threads = std::clamp(threads, 1, 1024);
  constexpr std::size_t least_bytes = std::size_t{512} << 20;  // beyond every cache
  const std::size_t wanted = std::min<std::uint64_t>(least_bytes, available_memory() / 4);
  const std::size_t words =
      std::max(wanted / sizeof(std::uint64_t) / static_cast<std::size_t>(threads), std::size_t{1} << 16);
  constexpr int sweeps = 6;
  std::vector<double> seconds(sweeps);
  std::vector<std::uint64_t> totals(static_cast<std::size_t>(threads));
  std::barrier together(threads + 1);
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < totals.size(); ++t) {
    workers.emplace_back([&, t] {
      // Filled by the thread that reads it, so that it lies in that thread's memory.
      const std::vector<std::uint64_t> slice(words, t + 1);
      for (int sweep = 0; sweep < sweeps; ++sweep) {
        together.arrive_and_wait();
        totals[t] += sum(slice);
        together.arrive_and_wait();
      }
    });
  }
  for (double& time : seconds) {
    together.arrive_and_wait();
    const auto start = Clock::now();
    together.arrive_and_wait();
    time = std::chrono::duration<double>(Clock::now() - start).count();
  }
  for (std::thread& worker : workers) worker.join();
  for (std::size_t t = 0; t < totals.size(); ++t) {  // what the compiler could otherwise leave out
    const std::uint64_t expected = (t + 1) * words * sweeps;
    if (totals[t] != expected)
      fail(ErrorKind::internal, "read bandwidth: sum is {}, expected {}", totals[t], expected);
  }
  const double bytes = static_cast<double>(words) * sizeof(std::uint64_t) * threads;
  return bytes / *std::min_element(seconds.begin(), seconds.end()) / 1e9;
}

}  // namespace pome::services
