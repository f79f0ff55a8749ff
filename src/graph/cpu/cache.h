// The block cache of the CPU backend, in the layout that the attention kernels read.
#pragma once

#include "graph/cache.h"
#include "kernels/attention/attention.h"

namespace pome::graph {

// 64 positions of one layer: keys [K, 64, C], values [K, 64, Cv] unless they lie in the keys, and the scales
// of each [K, 64, scale_bytes()]. Aligned to 64 bytes.
class KvBlock {
 public:
  KvBlock(const CacheLayer& layer, kernels::CacheType type, const CacheOptions& options);
  KvBlock(const KvBlock& other);
  KvBlock& operator=(const KvBlock&) = delete;
  ~KvBlock();

  std::byte* keys() const { return bytes_; }
  std::byte* values() const { return bytes_ + values_; }
  std::byte* key_scales() const { return bytes_ + key_scales_; }
  std::byte* value_scales() const { return bytes_ + value_scales_; }

 private:
  // Offsets in bytes.
  std::size_t values_;
  std::size_t key_scales_;
  std::size_t value_scales_;
  std::size_t size_;
  std::byte* bytes_;
};

// Floats of a layer's state, aligned to 64 bytes.
class StateBuffer {
 public:
  explicit StateBuffer(std::int64_t size);
  StateBuffer(const StateBuffer&) = delete;
  StateBuffer& operator=(const StateBuffer&) = delete;
  ~StateBuffer();

  float* data() const { return data_; }

 private:
  float* data_;
};

// prepare() makes room for a step and commit() makes it real, so that a step that fails leaves nothing
// behind. A row is rounded when it is stored, before anything reads it.
class CpuCache final : public Cache {
 public:
  // `type` says how elements are kept without kv_bits: i16 or f32.
  CpuCache(CachePlan plan, CacheOptions options, kernels::CacheType type);

  // Throws Error(corrupt).
  static std::unique_ptr<CpuCache> restore(CachePlan plan, CacheOptions options, kernels::CacheType type,
                                           const formats::TensorTable& saved);

  int length() const override { return length_; }
  int resume_point(int n) const override;
  std::unique_ptr<Cache> fork(int n) const override;
  std::size_t bytes() const override;
  std::vector<formats::Tensor> save() const override;

  const CacheOptions& options() const { return options_; }

  // Room of its own for the next `rows` positions in every layer.
  void prepare(int rows);

  // Keeps keys [heads, C] and values [heads, Cv] of a layer's position, one of those prepared, for `heads` kv
  // heads from first_head on; values are null where they lie in the keys. Different positions and heads may
  // be stored at once.
  void store(int layer, int position, int first_head, int heads, const float* keys, const float* values);

  // What attention reads; valid until the next prepare(), commit() or discard().
  kernels::KeyValues view(int layer) const;

  // The state of a layer, null before the first row, and where the step prepared for puts the one after it:
  // all of it, in whatever order.
  const float* state(int layer) const;
  float* next_state(int layer) const;

  void commit(int rows);
  void discard();

 private:
  struct Layer {
    std::vector<std::shared_ptr<KvBlock>> blocks;  // null once no later row can see them
    std::vector<const void*> keys;                 // of every block, as KeyValues has them
    std::vector<const void*> values;
    std::vector<const void*> key_scales;
    std::vector<const void*> value_scales;
    std::shared_ptr<StateBuffer> state;
    std::shared_ptr<StateBuffer> next;  // this cache's alone, kept from step to step
  };

  int scale_group(std::size_t layer) const;  // elements under one scale with 4 bits
  Visibility visible(std::size_t layer) const { return visibility(plan_[layer], options_); }
  int first_held(std::size_t layer) const;  // start of the unbroken run of blocks that ends the layer
  bool can_resume(int n) const;
  void put(Layer& layer, std::size_t index, std::shared_ptr<KvBlock> block);

  CachePlan plan_;
  CacheOptions options_;
  kernels::CacheType type_;
  int length_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace pome::graph
