// How fast a model is on this machine.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "services/library.h"

namespace pome::services {

struct BenchOptions {
  // Every combination is measured.
  std::vector<int> prompt_tokens{512};
  std::vector<int> generation_tokens{128};
  std::vector<int> depth{0};  // tokens in the cache before
  std::vector<int> batch{1};  // sequences at once
  int repetitions = 3;        // after one that does not count
  bool bandwidth = true;      // measure read bandwidth too, before and after every run that generates
  graph::CacheOptions cache;
  std::function<void(const MemoryNeed& most)> on_memory;  // told before anything is computed
};

struct BenchRow {
  int prompt_tokens = 0, generation_tokens = 0, depth = 0, batch = 0;
  double prompt_tps = 0, prompt_stddev = 0;          // all sequences together
  double generation_tps = 0, generation_stddev = 0;  // all sequences together
  double step_ms = 0;                                // of a generated token of every sequence
  double phases = 0;                                 // per step
  double overhead_ms = 0;                            // per step: everything but kernels
  double read_gbps = 0;                              // weights and caches, while generating
  double bandwidth_share = 0;                        // of read bandwidth; 0: not measured
  std::uint64_t cache_bytes = 0;                     // of all sequences at the end
  std::uint64_t predicted_memory_bytes = 0;          // memory_need()
  std::uint64_t peak_memory_bytes = 0;               // so far: rows that ran before count too
  std::uint64_t anonymous_memory_bytes = 0;          // resident and not a view of files

  Json to_json() const;
};

struct BenchReport {
  std::vector<BenchRow> results;
  double read_bandwidth_gbps = 0;  // 10^9 bytes per second, the mean of all measurements; 0: not measured
  double phase_us = 0;             // what it costs to share out one phase that does nothing
  int threads = 0;
  std::string backend;

  Json to_json() const;  // {"results": […], "read_bandwidth_gbps", …}
};

// done/total count measured runs; returning false stops with Error(interrupted).
using OnBenchProgress = std::function<bool(int done, int total)>;

BenchReport bench(Library& library, const OpenModel& model, const BenchOptions& options,
                  const OnBenchProgress& progress = {});

// Microseconds of one phase without work on a pool of this size, the mean of many back to back.
double measure_phase_us(int threads);

// Best of a few sweeps of all threads over a buffer larger than the caches, in 10^9 bytes per second.
double measure_read_bandwidth(int threads);

}  // namespace pome::services
