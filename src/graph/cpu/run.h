// Runs programs on a thread pool, in memory that it keeps from step to step.
#pragma once

#include "base/thread_pool.h"
#include "graph/backend.h"
#include "graph/cpu/cache.h"
#include "graph/cpu/program.h"

namespace pome::graph::cpu {

// Memory aligned to 2 MiB that only grows. Growing forgets what was in it.
class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* room_for(std::size_t bytes);

 private:
  std::byte* bytes_ = nullptr;
  std::size_t size_ = 0;
};

// One of the experts' products: what its rows are, and where its columns begin in what they yield.
struct ExpertProduct {
  const StoredExperts* matrices = nullptr;
  int activations = -1;
  View floats;
  bool one_row = false;  // of the input
  View out;
};

// Bytes that an Executor keeps once it has run this program on so many threads, over up to `positions`
// positions of a sequence: the arena, tables of rotations, attention's scratch memory, and the outputs.
std::size_t working_bytes(const Program& program, std::int64_t positions, int threads);

class Executor {
 public:
  explicit Executor(ThreadPool& pool) : pool_(pool) {}

  // `caches`: one per segment, prepared for its rows. Outputs of other names are removed.
  void run(const Program& program, const Step& step, std::span<CpuCache* const> caches, Outputs& outputs);

  const Work& work() const { return work_; }

 private:
  // What the low-rank part of a product's adapters needs: per row of x its adapter (or null) and x·a.
  struct Adapted {
    std::vector<const LowRank*> rows;
    std::vector<float> inner;
    int rank = 0;  // floats per row of inner
  };

  void bind(const Program& program, const Step& step, Outputs& outputs);
  void run_rows(const Phase& phase, std::span<const RowOp> ops);
  void run_row_op(const RowOp& op, int begin, int end);
  void quantize(const RowOp& op, int begin, int end);
  void run_rope(const RowOp& op, int begin, int end);
  void run_products(const Phase& phase);
  void run_chunk(const Phase& phase, const Chunk& chunk);
  void run_product(const Phase& phase, int index, int begin, int end);
  void run_heads(const Phase& phase);
  void run_experts(const Phase& phase);
  void group_by_expert(const ExpertsWork& work, int rows);
  void take_input(const Phase& phase, const ExpertsWork& work, int pair);
  void activate_pair(const ExpertsWork& work, int pair, int begin, int end);
  void run_by_columns(const Phase& phase, const ExpertsWork& work, std::span<const ExpertProduct> first,
                      const ExpertProduct& second);
  void multiply_pairs_of(const ExpertsWork& work, const ExpertProduct& product, int expert, int begin,
                         int end);
  void count_bytes(const ExpertProduct& product);
  void multiply_pairs(const ExpertsWork& work, std::span<const ExpertProduct> products,
                      std::span<const Stretches> soon);
  void add_up(const Phase& phase, const ExpertsWork& work, int row, int begin, int end);
  void run_attention(const Phase& phase);
  void run_convolution(const Phase& phase);
  void run_recurrence(const Phase& phase);

  bool find_adapters(const Phase& phase, const Product& product, Adapted& adapted) const;
  void project(const Phase& phase, Adapted& adapted);
  void apply(const Adapted& adapted, int first, int last, const View& out);

  float* at(const View& view, int row) const {
    return reinterpret_cast<float*>(addresses_[static_cast<std::size_t>(view.buffer)]) + view.column +
           static_cast<std::int64_t>(row) * view.stride;
  }
  kernels::Activations activations(int index) const;

  ThreadPool& pool_;
  Work work_;
  Arena arena_;
  Arena scratch_;
  const Program* program_ = nullptr;
  const Step* step_ = nullptr;
  std::span<CpuCache* const> caches_;
  std::vector<std::byte*> addresses_;  // by buffer
  // By row of the step.
  std::vector<std::int32_t> positions_;
  std::vector<std::int32_t> planned_;
  std::vector<std::int32_t> segments_;
  // By rope: cosines and then sines, [rows, dims/2] each.
  std::vector<std::vector<float>> tables_;
  // Of the experts at work: the row of each pair, the first pair of each expert and of the one behind the
  // last, the pair of each row and choice, and those experts that have any.
  std::vector<std::int32_t> pair_rows_;
  std::vector<std::int32_t> pair_begins_;
  std::vector<std::int32_t> pair_of_;
  std::vector<std::int32_t> busy_;
  std::vector<Adapted> adapted_;  // by product of the phase in progress
  std::vector<int> unit_ends_;    // attention's units, counted up to and with each segment
};

}  // namespace pome::graph::cpu
