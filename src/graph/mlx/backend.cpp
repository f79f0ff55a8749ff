#include "graph/mlx/backend.h"

#include <dlfcn.h>

#include <algorithm>
#include <set>

#include "base/threads.h"
#include "graph/mlx/graph.h"

namespace pome::graph {

Error from_mlx(const std::exception& exception) {
  const std::string text = exception.what();
  const bool memory = dynamic_cast<const std::bad_alloc*>(&exception) != nullptr ||
                      text.find("Unable to allocate") != std::string::npos;
  return Error(memory ? ErrorKind::resource : ErrorKind::internal, text);
}

namespace {

class MlxRunner final : public Runner {
 public:
  MlxRunner(Forward forward, CachePlan plan, mx::Device device)
      : forward_(std::move(forward)), plan_(std::move(plan)), device_(device), weights_(device) {}

  std::unique_ptr<Cache> new_cache(const CacheOptions& options) override {
    return std::make_unique<MlxCache>(plan_, options, device_);
  }

  std::unique_ptr<Cache> restore_cache(const CacheOptions& options,
                                       const formats::TensorTable& saved) override {
    return MlxCache::restore(plan_, options, device_, saved);
  }

  std::uint64_t recorded_programs() const override { return recorded_; }

  void run(const Step& step, Outputs& outputs) override {
    check_step(step);
    const std::vector<MlxCache*> caches = caches_of(step);
    try {
      Outputs computed = compute(step, caches);
      outputs.swap(computed);
    } catch (...) {
      for (MlxCache* cache : caches) {
        if (cache != nullptr) cache->discard();
      }
      throw;
    }
    for (std::size_t i = 0; i < caches.size(); ++i) {
      if (caches[i] != nullptr) caches[i]->commit(step.segments[i].length);
    }
  }

 private:
  static std::vector<MlxCache*> caches_of(const Step& step) {
    std::vector<MlxCache*> caches;
    std::set<const Cache*> known;
    for (const Segment& segment : step.segments) {
      auto* cache = dynamic_cast<MlxCache*>(segment.cache);
      if (segment.cache != nullptr && (cache == nullptr || !known.insert(cache).second)) {
        fail(ErrorKind::internal, "step: a cache that occurs twice, or is another backend's");
      }
      caches.push_back(cache);
    }
    return caches;
  }

  void record(MlxGraph& graph) {
    ++recorded_;
    try {
      forward_(graph);
    } catch (const Error&) {  // knows its place already
      throw;
    } catch (const std::exception& e) {
      throw from_mlx(e).in("forward pass");
    }
  }

  Outputs compute(const Step& step, const std::vector<MlxCache*>& caches) {
    mx::StreamContext context(device_);
    MlxGraph graph(weights_, plan_, step);
    record(graph);
    return at_seam("forward pass", [&] {
      std::vector<mx::array> wanted;
      for (const MlxCache* cache : caches) {
        if (cache != nullptr) cache->collect(wanted);
      }
      std::vector<std::pair<std::string, mx::array>> results;
      for (const auto& [name, array] : graph.outputs()) {
        results.emplace_back(name, mx::contiguous(array));
        wanted.push_back(results.back().second);
      }
      mx::eval(std::move(wanted));
      Outputs outputs;
      for (const auto& [name, array] : results) {
        Matrix matrix{array.shape(0), array.shape(1), {}};
        matrix.values.assign(array.data<float>(), array.data<float>() + array.size());
        outputs.emplace(name, std::move(matrix));
      }
      return outputs;
    });
  }

  Forward forward_;
  CachePlan plan_;
  mx::Device device_;
  WeightArrays weights_;
  std::uint64_t recorded_ = 0;
};

// MLX computes on one thread and leaves matmuls to BLAS, which has threads of its own. OpenBLAS takes MLX's
// BLAS's place while linking (cmake/deps.cmake), where there is one; macOS has Accelerate, which decides for
// itself.
void limit_blas_threads() {
  using SetThreads = void (*)(int);
  if (auto* set = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads")))
    set(threads());
}

class MlxBackend final : public Backend {
 public:
  MlxBackend(std::string_view name, mx::Device device) : name_(name), device_(device) {
    // On CPUs compile() would run a C++ compiler and load what it finds in a shared temporary folder.
    if (device == mx::Device::cpu) {
      mx::disable_compile();
      limit_blas_threads();
    }
  }

  std::string_view name() const override { return name_; }
  std::unique_ptr<Runner> load(Forward forward, CachePlan plan) override {
    return std::make_unique<MlxRunner>(std::move(forward), std::move(plan), device_);
  }
  int cache_element_bytes() const override { return sizeof(float); }

 private:
  std::string_view name_;
  mx::Device device_;
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<MlxBackend>("reference", mx::Device::cpu);
}

std::unique_ptr<Backend> make_mlx_gpu_backend() {
  if (!mx::is_available(mx::Device::gpu)) return nullptr;
  return std::make_unique<MlxBackend>("mlx", mx::Device::gpu);
}

}  // namespace pome::graph
