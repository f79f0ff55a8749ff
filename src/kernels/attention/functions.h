// The levels of attention and the pieces they are made of. No standard library, since the instruction-set
// files include it.
#pragma once

#include "kernels/attention/attention.h"

namespace pome::kernels::attention {

inline constexpr int tile_positions = 256;
inline constexpr int panel_positions = 16;  // decoded to floats at once: they stay in the first-level cache

// A unit's query vectors: `count` = rows · H/K, those of a row next to each other.
inline constexpr int largest_queries = 64;

// Floats from one vector of C elements to the next: whole lanes, and not a power of two.
static constexpr int vector_stride(int head_dim) { return (head_dim + 15) / 16 * 16 + 16; }

struct Queries {
  const float* q;        // [count, vector_stride(C)]
  const int* positions;  // [count]
  int count;
  int kv_head;
  int length;
};

// What a run of tiles says about each query: the largest score, the sum of the weights relative to it, and
// the weighted values. No visible position: largest is -infinity and the rest is not meant.
struct State {
  float* largest;  // [count]
  float* total;    // [count]
  float* values;   // [count, vector_stride(Cv)]
};

struct Functions {
  // The state of one tile of positions.
  void (*tile)(const AttentionSpec& spec, const KeyValues& cache, const Queries& queries, int tile,
               const State& state);
  // into = into followed by the next tile.
  void (*merge)(const State& into, const State& next, int count, int value_dim);
  // out[c] = values[c] / total, for one query.
  void (*finish)(const float* values, float total, int value_dim, float* out);
  void (*store_head)(CacheType type, const float* x, int head_dim, int group, void* to, void* scales);
};

namespace scalar {
extern const Functions functions;
}
namespace avx2 {
extern const Functions functions;
}
namespace avx512vnni {
extern const Functions functions;
}

// The positions that a row at `position` sees: [begin, end) and [0, keep).
struct Visible {
  int begin;
  int end;
  int keep;
};

static inline Visible visible_at(const AttentionSpec& spec, int position, int length) {
  const int end = spec.causal && position + 1 < length ? position + 1 : length;
  int begin = spec.window > 0 && position - spec.window + 1 > 0 ? position - spec.window + 1 : 0;
  if (spec.chunk > 0) begin = position / spec.chunk * spec.chunk;
  return {begin, end, spec.keep < end ? spec.keep : end};
}

static inline bool sees(const Visible& visible, int first, int last) {  // any of first … last - 1
  return (first < visible.end && last > visible.begin) || first < visible.keep;
}

}  // namespace pome::kernels::attention
