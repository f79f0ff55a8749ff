// How fast single operations are on this machine, without a model: products in every stored form, attention,
// norms, the choice of a token.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "graph/cache.h"

namespace pome::services {

struct KernelRow {
  std::string name;  // "gemv affine 4 bit"
  double value = 0;  // mean over the samples
  double deviation = 0;
  std::string unit;  // GB/s of weights or cache read, GMAC/s, or µs
  double us = 0;     // of one call, the mean

  Json to_json() const;
};

struct KernelReport {
  std::vector<KernelRow> kernels;
  std::string isa;
  int threads = 0;

  Json to_json() const;  // {"kernels": […], "isa", "threads"}
};

// Times the operations whose names contain `filter`. progress() is called before each; returning false stops
// with Error(interrupted). Throws Error(usage) where no name contains the filter.
KernelReport bench_kernels(const std::string& filter, const graph::CacheOptions& cache,
                           const std::function<bool(const std::string& name)>& progress = {});

// The names, in order.
std::vector<std::string> kernel_names();

}  // namespace pome::services
