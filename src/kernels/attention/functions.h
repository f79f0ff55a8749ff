// The levels of attention and the pieces they are made of. No standard library, since the instruction-set
// files include it.
#pragma once

#include "kernels/attention/attention.h"

namespace pome::kernels::attention {

inline constexpr int tile_positions = 256;
inline constexpr float log2_e = 1.44269504088896341f;  // scores are counted in units of ln 2
inline constexpr int panel_positions = 16;  // decoded to floats at once: they stay in the first-level cache

// A unit's query vectors: `count` = rows · H/K, those of a row next to each other.
inline constexpr int largest_queries = 128;

// Floats from one vector of C elements to the next: whole lanes, and not a power of two.
static constexpr int vector_stride(int head_dim) { return (head_dim + 15) / 16 * 16 + 16; }

// The length of a vector of 16-bit codes, but for their rounding: products of two fit 32 bits, and so do
// those of any part of them.
inline constexpr float longest_i16 = 46300;
// Codes from one query to the next: whole lanes of 32, and not a power of two.
static constexpr int code_stride(int head_dim) { return (head_dim + 31) / 32 * 32 + 32; }

// Vectors of this type are codes that count steps of their own.
static constexpr bool counts_steps(CacheType type) { return type == CacheType::i16 || type == CacheType::i8; }

struct Queries {
  const float* q;             // [count, vector_stride(C)], or where keys count steps
  const std::int16_t* codes;  // [count, code_stride(C)]
  const float* steps;         // [count]; 1 beside q
  const int* positions;       // [count]
  const int* heads;           // [count]
  int count;
  int kv_head;
  int length;
};

// What a run of tiles says about each query: the largest score in units of ln 2, the sum of the weights
// relative to it, and the weighted values. No visible position: largest is -infinity and the rest is not
// meant.
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
  // A query as codes [code_stride(C)], zeros behind, and their step.
  void (*round_query)(const float* q, int head_dim, std::int16_t* codes, float* step);
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
namespace neondot {
extern const Functions functions;
}

// The positions that a row at `position` sees: [begin, end) and [0, keep); where blocks are sparse, of these
// what lies in [local, …) and in the head's stripes.
struct Visible {
  int begin;
  int end;
  int keep;
  int local;
  int block;   // 0: not sparse
  int stride;  // a stripe is every block whose number + shift is a multiple
  int shift;

  bool sparsely(int position) const { return position >= local || (position / block + shift) % stride == 0; }
};

static inline Visible visible_at(const AttentionSpec& spec, int position, int head, int length) {
  const int end = spec.causal && position + 1 < length ? position + 1 : length;
  int begin = spec.window > 0 && position - spec.window + 1 > 0 ? position - spec.window + 1 : 0;
  if (spec.chunk > 0) begin = position / spec.chunk * spec.chunk;
  const BlockSparse& sparse = spec.sparse;
  const int local = sparse.block > 0 ? (position / sparse.block - sparse.local + 1) * sparse.block : 0;
  return {begin,        end,           spec.keep < end ? spec.keep : end, local,
          sparse.block, sparse.stride, 1 + head * sparse.head_step};
}

// Any of first … last - 1, or so it may be: what it denies is certain.
static inline bool sees(const Visible& visible, int first, int last) {
  const bool inside = (first < visible.end && last > visible.begin) || first < visible.keep;
  if (visible.block == 0 || !inside || last > visible.local) return inside;
  for (int p = first; p < last; p = (p / visible.block + 1) * visible.block) {
    if (visible.sparsely(p)) return true;
  }
  return false;
}

}  // namespace pome::kernels::attention
