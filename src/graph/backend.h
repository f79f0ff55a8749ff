// Where a model computes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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

// What a runner has done, for measuring. Zeros from backends that do not count.
struct Work {
  std::uint64_t steps = 0;
  std::uint64_t phases = 0;        // shared out among the threads, one after the other
  double phase_seconds = 0;        // spent in them: the rest of a step is bookkeeping
  std::uint64_t weight_bytes = 0;  // read by products
};

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

  // How often `forward` was called: a backend that keeps programs calls it once per shape of step.
  virtual std::uint64_t recorded_programs() const = 0;

  virtual Work work() const { return {}; }
};

// The largest step that is to come.
struct StepSize {
  int rows = 1;
  int out_rows = 1;
  std::int64_t positions = 1;  // of its longest sequence
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  virtual std::unique_ptr<Runner> load(Forward forward, CachePlan plan) = 0;

  // Caches of backends of one kind may continue each other: the name, and the precision where that matters.
  virtual std::string cache_kind() const { return std::string(name()); }

  // Bytes of one cached element without kv_bits.
  virtual int cache_element_bytes() const = 0;

  // Bytes that steps up to this size occupy besides weights and caches: values, activations, outputs.
  // `forward` is recorded and nothing computed. 0 from backends that do not know. Any thread.
  virtual std::size_t working_bytes(const Forward& forward, const CachePlan& plan,
                                    const StepSize& largest) const {
    static_cast<void>(forward), static_cast<void>(plan), static_cast<void>(largest);
    return 0;
  }
};

enum class Precision : std::uint8_t {
  standard,  // "default": 16-bit activations, 16-bit caches
  exact,     // float32 throughout
  fast,      // 8-bit activations before quantized weights
};

struct BackendOptions {
  std::optional<Precision> precision;  // of the "cpu" backend; none: preferred_precision(standard)
  int threads = 0;                     // 0: threads() of base/threads.h
};

// Throws Error(usage) for a name other than "default", "exact" and "fast".
Precision precision_from_name(std::string_view name);
std::string_view precision_name(Precision precision);

// What options without a precision mean from now on, instead of $POME_PRECISION. Thread-safe.
void set_precision(Precision precision);

// What set_precision() or $POME_PRECISION asked for, else `otherwise`. Throws Error(usage) for an unknown
// name.
Precision preferred_precision(Precision otherwise);

// "cpu" (our own kernels), "reference" (MLX, float32 on the CPU: the oracle), and "" for the best backend of
// this machine, which $POME_BACKEND overrides. Throws Error(usage) for a name that this build does not have.
std::unique_ptr<Backend> make_backend(std::string_view name = "", const BackendOptions& options = {});

}  // namespace pome::graph
