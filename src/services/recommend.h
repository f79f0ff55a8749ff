// Which models of the catalogue suit this machine: what they would occupy and how fast they would be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "graph/cache.h"
#include "hub/hub.h"
#include "store/catalogue.h"
#include "store/paths.h"

namespace pome::services {

struct Machine {
  std::uint64_t memory_bytes = 0;     // that there is, or that a cgroup allows
  std::uint64_t available_bytes = 0;  // that a process may take now
  int threads = 0;                    // that are used by default: cores, or a cgroup's quota
  std::string instructions;           // the level of the kernels: "avx512vnni"
  std::string gpu;                    // empty: none that pome uses
  std::uint64_t disk_bytes = 0;       // free where models are kept
  double read_gbps = 0;               // of memory, by all threads

  Json to_json() const;
};

// Reads 512 MiB of memory six times, which takes about half a second.
Machine measure_machine(const store::Paths& paths);

struct RecommendRequest {
  std::string task;    // "chat", "code", "quality", "speed", "embed", "rerank", "image", "music"
  int context = 4096;  // tokens at which memory and speed are predicted
  std::size_t limit = 5;
};

struct Recommendation {
  std::string name;  // of the catalogue
  std::string repo;
  int bits = 0;
  std::uint64_t weight_bytes = 0;
  std::uint64_t memory_bytes = 0;  // weights, cache at the context, working memory
  double tokens_per_second = 0;    // 0: none can be predicted (embeddings, images, music)
  std::string licence;
  bool gated = false;
  bool here = false;
  bool fits_disk = false;  // or is here

  Json to_json() const;
};

// As the catalogue knows it; empty where it does not.
graph::CachePlan cache_plan(const store::KnownModel& model);

// What `repo` occupies in memory with a sequence of `context` tokens.
std::uint64_t predicted_memory(const store::KnownModel& model, const store::KnownRepo& repo, int context);

// How many tokens a second, at that length: a token reads the weights that are active and the cache once, and
// memory is what limits that. 0 without a cache plan.
double predicted_speed(const store::KnownModel& model, const store::KnownRepo& repo, int context,
                       double read_gbps);

// Those that fit into the memory available, best first: the largest model that is still quick enough for the
// task, with as many bits as that allows; behind them the slower ones, quickest first. Throws Error(usage)
// for a task that no model of the catalogue serves or a context below 1.
std::vector<Recommendation> recommend(const RecommendRequest& request, const store::Catalogue& catalogue,
                                      const Machine& machine, const store::Paths& paths);

// Asks the Hub about every repository of the bundled catalogue and writes the refreshed one: today's date,
// sizes as the Hub has them, without repositories that are gone. Returns the names that went. Throws as
// hub::Hub does, and not_found where more than half would go, having written nothing.
std::vector<std::string> refresh_catalogue(hub::Hub& hub, const store::Paths& paths);

}  // namespace pome::services
