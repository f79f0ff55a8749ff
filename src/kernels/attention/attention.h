// Attention of rows of one sequence over its cached keys and values: softmax(q·kᵀ·scale)·v, heads grouped
// over kv heads.
//
// Positions are taken in tiles of 256, tile t holding 256·t … 256·t + 255. Each tile is worked out by itself,
// with its own maximum: scores are sums in 16 lanes (dense.h), weights e^(score - maximum), their sum goes by
// lanes and the weighted values position by position; tiles are then merged from first to last. Where keys
// are codes of 8 or 16 bits that count steps, queries are rounded to 16 bits and scores are whole numbers:
// twice as many products per instruction as of floats, and no error of their own. A row's bits therefore
// depend on its position and on what is cached, not on how many rows come along, on chunks of the prompt, on
// threads, or on the level of instructions. (Where stored values are finite: an infinity or NaN at a position
// also reaches rows of the same call that do not see it.)
//
// Letters: T rows, H heads, K kv heads, C head size of queries and keys, Cv that of values.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/element.h"

namespace pome {
class ThreadPool;
}

namespace pome::kernels {

inline constexpr int largest_head_dim = 576;

// Of blocks of `block` positions a row of head h sees its own, the `local` - 1 before it, and of those before
// them the ones whose number + 1 + h·head_step is a multiple of `stride`.
struct BlockSparse {
  int block = 0;  // 0: every position
  int local = 1;
  int stride = 1;
  int head_step = 0;
};

struct AttentionSpec {
  int heads = 0;      // H, a multiple of kv_heads
  int kv_heads = 0;   // K
  int head_dim = 0;   // C, at most largest_head_dim
  int value_dim = 0;  // Cv, likewise; 0: C
  float scale = 0;
  bool causal = true;            // false: every row sees all positions
  int window = 0;                // > 0: a row sees itself and the window - 1 positions before it …
  int keep = 0;                  // … and the first `keep` of the sequence
  int chunk = 0;                 // > 0: a row sees its own chunk of so many positions only
  BlockSparse sparse = {};       // which of these it sees in fact
  float soft_cap = 0;            // > 0: scores become soft_cap·tanh(score/soft_cap)
  const float* sinks = nullptr;  // [H]: a score that takes its share of the softmax and has no value

  int value_size() const { return value_dim > 0 ? value_dim : head_dim; }
};

// Throws Error(unsupported) for a head size or grouping that the kernels do not do.
void check(const AttentionSpec& spec);

enum class CacheType : std::uint8_t { i16, f32, i8, u4 };

// One layer of one sequence: position p, kv head h lies in block p / block_positions at element
// h·head_stride + (p % block_positions)·position_stride. Owns nothing.
struct KeyValues {
  const void* const* keys = nullptr;  // per block; null where no row looks any more
  const void* const* values = nullptr;
  const void* const* key_scales = nullptr;  // per block: [K, block_positions, scale_bytes()]; not f32
  const void* const* value_scales = nullptr;
  CacheType type = CacheType::i16;
  int block_positions = 64;  // a multiple of 16
  std::int64_t head_stride = 0;
  std::int64_t position_stride = 0;
  std::int64_t value_head_stride = 0;  // of values, where theirs differ
  std::int64_t value_position_stride = 0;
  int group = 0;         // u4: elements under one scale, a multiple of 16
  int key_groups = 0;    // u4: scales of one key
  int value_groups = 0;  // u4: scales from one value to the next
};

// Bytes of one head's elements of one position, and of the scales beside them.
std::size_t vector_bytes(CacheType type, int elements);
std::size_t scale_bytes(CacheType type, int elements, int group);

// Writes one head's C floats of one position as a cache stores them: i16 and i8 in 32767 and 127 steps
// up to the largest magnitude, i16 in fewer where the vector would be longer than 46300 of them, with the
// step as a float in *scales; u4 in 16 steps from the least to the largest element of each group, with step
// and least as float16s in *scales. Scales are NaN where x is not finite.
void store_head(CacheType type, const float* x, int head_dim, int group, void* to, void* scales);

// Rows [0, rows) of a sequence, at positions first_position …; `length` positions are cached, these rows'
// among them. q: [rows, H·C], out: [rows, H·Cv], q_stride and out_stride floats from row to row.
struct AttentionRows {
  const float* q = nullptr;
  std::int64_t q_stride = 0;
  float* out = nullptr;
  std::int64_t out_stride = 0;
  int rows = 0;
  int first_position = 0;
  int length = 0;
};

// The work falls into units (a kv head and some rows) that may run at once, on any threads.
int attention_units(const AttentionSpec& spec, const AttentionRows& rows);
int attention_tiles(const AttentionRows& rows);  // of positions, up to the last
void attend(const AttentionSpec& spec, const KeyValues& cache, const AttentionRows& rows, int unit);

// Everything, on a pool. With scratch of attention_scratch_bytes(…) a few rows over a long cache are also
// spread over tiles of positions; scratch may be null.
std::size_t attention_scratch_bytes(const AttentionSpec& spec, const AttentionRows& rows);
void attend(ThreadPool& pool, const AttentionSpec& spec, const KeyValues& cache, const AttentionRows& rows,
            void* scratch);

}  // namespace pome::kernels
