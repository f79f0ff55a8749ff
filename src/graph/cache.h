// What a sequence remembers, and the plan by which a backend lays it out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/tensor.h"

namespace pome::graph {

// One layer's need: keys and values, of which sliding layers keep the last `window` positions and full ones
// (window 0) all, or a state. A block that has several of these has as many layers in the plan.
struct CacheLayer {
  int kv_heads = 0;
  int head_dim = 0;
  int window = 0;
  // > 0: instead of positions so many floats that every row changes, zeros at first (convolutions,
  // recurrences). What they were is lost, so such a layer resumes only where it stands.
  std::int64_t state_size = 0;

  int chunk = 0;           // > 0: of the positions only those of the chunk in progress are kept
  int value_dim = 0;       // elements of a value; 0: head_dim
  bool own_values = true;  // false: values are the first value_dim elements of the keys (MLA)

  bool is_state() const { return state_size > 0; }
  int value_size() const { return value_dim > 0 ? value_dim : head_dim; }
  int stored_value_size() const { return own_values ? value_size() : 0; }
};

using CachePlan = std::vector<CacheLayer>;

struct CacheOptions {
  int kv_bits = 0;  // 0: the backend's own precision; 4 or 8: quantized in groups of kv_group_size
  int kv_group_size = 64;
  int max_kv_size =
      0;  // > 0: full layers see the first `keep` and the last max_kv_size - keep positions only
  int keep = 4;
};

// Positions of one layer's keys and values that are kept, shared and dropped together.
inline constexpr int cache_block = 64;

// Which positions a row sees: itself, what lies less than `window` before it, and those below `keep`; or
// those before it in its chunk.
struct Visibility {
  int window = 0;  // 0: every earlier position
  int keep = 0;
  int chunk = 0;  // 0: none

  bool limited() const { return window > 0 || chunk > 0; }
  // The first position that a row sees behind those that are kept; it never goes back.
  int first(int row) const {
    if (chunk > 0) return row / chunk * chunk;
    return window > 0 && row >= window ? row - window + 1 : 0;
  }
  bool sees(int row, int position) const {
    return position <= row && (position >= first(row) || position < keep);
  }
  // Whether rows from `row` on see any of the positions begin … end - 1.
  bool needs(int begin, int end, int row) const { return begin < keep || end > first(row); }
};

Visibility visibility(const CacheLayer& layer, const CacheOptions& options);

// Whether a layer drops what a fork from an earlier position would need.
bool forgets(const CacheLayer& layer, const CacheOptions& options);

// Throws Error(usage) for options that make no sense, Error(unsupported) where kv_bits do not fit the plan.
void check_cache_options(const CachePlan& plan, const CacheOptions& options);

// Elements of one key or value that share a scale under kv_bits: kv_group_size, or the next smaller group
// that divides it; 0 where none does.
int kv_group(int elements, const CacheOptions& options);

// Bytes that `positions` positions of this plan occupy under these options, in whole blocks, while steps have
// up to `step_rows` rows: layers with a window hold those besides it.
std::size_t cache_bytes(const CachePlan& plan, const CacheOptions& options, std::int64_t positions,
                        int element_bytes, int step_rows = 1);

// Bytes that a fork kept at `positions` holds in the end of its own, when the cache it was made from has gone
// on for long: states, and what windows no longer see.
std::size_t fork_bytes(const CachePlan& plan, const CacheOptions& options, std::int64_t positions,
                       int element_bytes);

// All layers of one sequence. Made by a Runner and used only on the engine's thread.
//
// Positions live in blocks that are shared by reference between a cache and its forks: a fork costs no copy
// of full blocks, and a block that two caches hold is never written. Nor is a state: each step writes a new
// one.
class Cache {
 public:
  virtual ~Cache() = default;

  // Positions held, the same for every layer.
  virtual int length() const = 0;

  // The largest m ≤ n at which decoding can resume exactly: every layer still holds what position m would
  // look at.
  virtual int resume_point(int n) const = 0;

  // A cache of the first n positions; n must be a resume_point. This one is unchanged.
  virtual std::unique_ptr<Cache> fork(int n) const = 0;

  // Bytes held; a shared block counts in every cache that holds it.
  virtual std::size_t bytes() const = 0;

  // Everything needed to restore(), as named tensors that own their bytes.
  virtual std::vector<formats::Tensor> save() const = 0;
};

// The state of a layer in what Cache::save() yields, and its name there. Throws Error(corrupt).
const formats::Tensor& saved_state(const formats::TensorTable& saved, std::size_t layer, std::int64_t size);
std::string state_name(std::size_t layer);

}  // namespace pome::graph
