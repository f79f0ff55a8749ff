// Where a model computes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/cache.h"
#include "graph/graph.h"
#include "graph/step.h"

namespace pome::graph {

struct Matrix {
  int rows = 0;
  int width = 0;
  std::vector<float> values;  // row-major

  std::span<const float> row(int i) const {
    return {values.data() + std::size_t(i) * width, std::size_t(width)};
  }
};

using Outputs = std::map<std::string, Matrix, std::less<>>;

// Records a model's whole forward pass; called again only for shapes a backend has not kept.
using Forward = std::function<void(Graph&)>;

// One model on one backend. All calls come from the engine's thread. The weights that `forward` names must
// outlive it.
class Runner {
 public:
  virtual ~Runner() = default;

  virtual std::unique_ptr<Cache> new_cache(const CacheOptions& options) = 0;

  // The counterpart of Cache::save. Throws Error(corrupt) where tensors and plan disagree.
  virtual std::unique_ptr<Cache> restore_cache(const CacheOptions& options,
                                               const formats::TensorTable& saved) = 0;

  // Runs one step and appends to its caches. On an Error the caches of the step are as before.
  virtual void run(const Step& step, Outputs& outputs) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  virtual std::unique_ptr<Runner> load(Forward forward, CachePlan plan) = 0;

  // Bytes of one cached element without kv_bits.
  virtual int cache_element_bytes() const = 0;
};

// "reference" (MLX, float32 on the CPU: the oracle), and "" for the best backend of this machine, which
// $POME_BACKEND overrides. Throws Error(usage) for a name that this build does not have.
std::unique_ptr<Backend> make_backend(std::string_view name = "");

}  // namespace pome::graph
