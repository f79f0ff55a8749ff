#include "graph/cpu/backend.h"

#include <algorithm>
#include <list>
#include <utility>

#include "base/error.h"
#include "base/threads.h"
#include "graph/cpu/recorder.h"
#include "graph/cpu/run.h"
#include "kernels/isa.h"

namespace pome::graph {
namespace {

constexpr std::size_t most_programs = 8;

kernels::CacheType cache_type(Precision precision) {
  return precision == Precision::exact ? kernels::CacheType::f32 : kernels::CacheType::i16;
}

cpu::Arithmetic arithmetic(Precision precision) {
  if (precision == Precision::exact) return cpu::Arithmetic::exact;
  return precision == Precision::fast ? cpu::Arithmetic::fast : cpu::Arithmetic::standard;
}

class CpuRunner final : public Runner {
 public:
  CpuRunner(Forward forward, CachePlan plan, Precision precision, std::shared_ptr<ThreadPool> pool)
      : forward_(std::move(forward)),
        plan_(std::move(plan)),
        precision_(precision),
        pool_(std::move(pool)),
        executor_(*pool_) {}

  std::unique_ptr<Cache> new_cache(const CacheOptions& options) override {
    return std::make_unique<CpuCache>(plan_, options, cache_type(precision_));
  }

  std::unique_ptr<Cache> restore_cache(const CacheOptions& options,
                                       const formats::TensorTable& saved) override {
    return CpuCache::restore(plan_, options, cache_type(precision_), saved);
  }

  std::uint64_t recorded_programs() const override { return recorded_; }
  Work work() const override { return executor_.work(); }

  void run(const Step& step, Outputs& outputs) override {
    check_step(step);
    find_caches(step);
    try {
      const cpu::Program& program = program_for(step);
      check_tokens(program, step);
      for (std::size_t i = 0; i < caches_.size(); ++i) caches_[i]->prepare(step.segments[i].length);
      executor_.run(program, step, caches_, outputs);
    } catch (...) {
      for (CpuCache* cache : caches_) cache->discard();
      temporary_.clear();
      throw;
    }
    for (std::size_t i = 0; i < caches_.size(); ++i) {
      if (step.segments[i].cache != nullptr) caches_[i]->commit(step.segments[i].length);
    }
    temporary_.clear();
  }

 private:
  // A segment without a cache gets one for this step, so that its rows are rounded like any others.
  void find_caches(const Step& step) {
    caches_.clear();
    temporary_.clear();
    for (const Segment& segment : step.segments) {
      auto* cache = dynamic_cast<CpuCache*>(segment.cache);
      if (segment.cache == nullptr) {
        temporary_.push_back(std::make_unique<CpuCache>(plan_, CacheOptions{}, cache_type(precision_)));
        cache = temporary_.back().get();
      }
      if (cache == nullptr || std::find(caches_.begin(), caches_.end(), cache) != caches_.end()) {
        fail(ErrorKind::internal, "step: a cache that occurs twice, or is another backend's");
      }
      caches_.push_back(cache);
    }
  }

  static void check_tokens(const cpu::Program& program, const Step& step) {
    for (const cpu::StoredMatrix& table : program.tables) {
      const int vocabulary = std::visit([](const auto& m) { return m.rows; }, table);
      for (const std::int32_t token : step.tokens) {
        if (token < 0 || token >= vocabulary) {
          fail(ErrorKind::usage, "token {} is outside the vocabulary of {}", token, vocabulary);
        }
      }
    }
  }

  // The kept program of this shape, the latest used first, or a new one.
  const cpu::Program& program_for(const Step& step) {
    const cpu::Shape shape{.rows = static_cast<int>(step.tokens.size()),
                           .out_rows = static_cast<int>(step.out_rows.size()),
                           .layer_outputs = step.layer_outputs};
    const auto known = std::find_if(programs_.begin(), programs_.end(),
                                    [&](const cpu::Program& program) { return program.shape == shape; });
    if (known != programs_.end()) {
      programs_.splice(programs_.begin(), programs_, known);
      return programs_.front();
    }
    cpu::Recorder recorder(shape, plan_);
    forward_(recorder);
    programs_.push_front(cpu::fuse(recorder.recording(), arithmetic(precision_), pool_->size()));
    ++recorded_;
    if (programs_.size() > most_programs) programs_.pop_back();
    return programs_.front();
  }

  Forward forward_;
  CachePlan plan_;
  Precision precision_;
  std::shared_ptr<ThreadPool> pool_;
  cpu::Executor executor_;
  std::list<cpu::Program> programs_;
  std::uint64_t recorded_ = 0;
  std::vector<CpuCache*> caches_;
  std::vector<std::unique_ptr<CpuCache>> temporary_;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const BackendOptions& options)
      : precision_(options.precision.value_or(Precision::standard)),
        pool_(std::make_shared<ThreadPool>(options.threads > 0 ? options.threads : threads())) {}

  std::string_view name() const override { return "cpu"; }
  std::string cache_kind() const override { return fmt::format("cpu, {}", precision_name(precision_)); }
  std::unique_ptr<Runner> load(Forward forward, CachePlan plan) override {
    return std::make_unique<CpuRunner>(std::move(forward), std::move(plan), precision_, pool_);
  }
  int cache_element_bytes() const override { return precision_ == Precision::exact ? 4 : 2; }

  std::size_t working_bytes(const Forward& forward, const CachePlan& plan,
                            const StepSize& largest) const override {
    cpu::Recorder recorder({.rows = largest.rows, .out_rows = largest.out_rows, .layer_outputs = false},
                           plan);
    forward(recorder);
    const cpu::Program program = cpu::fuse(recorder.recording(), arithmetic(precision_), pool_->size());
    return cpu::working_bytes(program, largest.positions, pool_->size());
  }

 private:
  Precision precision_;
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options) {
  kernels::active_isa();  // a wrong $POME_ISA is said at once
  return std::make_unique<CpuBackend>(options);
}

}  // namespace pome::graph
