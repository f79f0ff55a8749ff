// The block cache of the MLX backend.
#pragma once

#include <optional>

#include "graph/cache.h"
#include "graph/mlx/mlx.h"

namespace pome::graph {

// Keys and values of some positions of one layer, heads first: [K, n, C] and [K, n, Cv]. Two arrays, or six
// under kv_bits: codes, scales and offsets of the keys, then of the values; half as many where values lie in
// the keys.
using KvParts = std::vector<mx::array>;

// What one attention reads: every position held, the new rows last.
struct KvView {
  mx::array keys;  // float32 [K, S, C]
  mx::array values;
  std::vector<std::int32_t> positions;  // [S], ascending
};

// One layer: full blocks by index (null once no later row can see them), then the positions after them; or
// its state, once there is one.
struct KvLayer {
  std::vector<std::shared_ptr<const KvParts>> blocks;
  std::optional<KvParts> tail;
  std::optional<mx::array> state;  // float32 [state_size]
};

// append() prepares a step and commit() makes it real, so that a step that fails leaves nothing behind. Rows
// are quantized when they are written, so results do not depend on how a prompt was cut.
class MlxCache final : public Cache {
 public:
  MlxCache(CachePlan plan, CacheOptions options, mx::Device device);

  // Throws Error(corrupt).
  static std::unique_ptr<MlxCache> restore(CachePlan plan, CacheOptions options, mx::Device device,
                                           const formats::TensorTable& saved);

  int length() const override { return length_; }
  int resume_point(int n) const override;
  std::unique_ptr<Cache> fork(int n) const override;
  std::size_t bytes() const override;
  std::vector<formats::Tensor> save() const override;

  const CacheOptions& options() const { return options_; }

  // Lays keys [K, rows, C] and values [K, rows, Cv] of the next positions behind what layer `layer` holds;
  // without values where they lie in the keys.
  KvView append(int layer, const mx::array& keys, const std::optional<mx::array>& values);

  // The state before the step and the one after it, both [state_size].
  mx::array state(int layer) const;
  void replace_state(int layer, const mx::array& next);

  // The arrays that must be evaluated before commit().
  void collect(std::vector<mx::array>& arrays) const;
  void commit(int rows);
  void discard() { pending_.clear(); }

 private:
  Visibility visible(std::size_t layer) const { return visibility(plan_[layer], options_); }
  int first_held(std::size_t layer) const;  // start of the unbroken run of blocks that ends the layer
  bool can_resume(int n) const;
  KvParts encode(std::size_t layer, const mx::array& keys, const std::optional<mx::array>& values) const;
  mx::array decode(std::size_t layer, const KvParts& parts, bool values) const;
  std::size_t parts_per_vector() const { return options_.kv_bits > 0 ? 3 : 1; }
  std::size_t part_count(std::size_t layer) const {
    return parts_per_vector() * (plan_[layer].own_values ? 2 : 1);
  }

  CachePlan plan_;
  CacheOptions options_;
  mx::Device device_;
  int length_ = 0;
  std::vector<KvLayer> layers_;
  std::vector<std::optional<KvLayer>> pending_;  // by layer, while a step runs
};

}  // namespace pome::graph
