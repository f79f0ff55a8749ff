#include "kernels/attention/attention.h"

#include <algorithm>
#include <limits>

#include "base/thread_pool.h"
#include "kernels/attention/levels.h"

namespace pome::kernels {
namespace attention {
namespace {

const Row table[] = {
    {Isa::scalar, &scalar::functions},
#if defined(__x86_64__)
    {Isa::avx2, &avx2::functions},
    {Isa::avx512vnni, &avx512vnni::functions},
#elif defined(__aarch64__)
    {Isa::neondot, &neondot::functions},
#endif
};

const Functions& active() {
  static const Functions& functions = *choose_row(rows(), active_isa()).functions;
  return functions;
}

// Floats of a unit's vectors; head sizes above 256 get fewer queries per unit for it.
constexpr int vectors_floats = largest_queries * vector_stride(128);

int group_size(const AttentionSpec& spec) { return spec.heads / spec.kv_heads; }

int queries_per_unit(const AttentionSpec& spec) {
  return std::min(largest_queries,
                  vectors_floats / vector_stride(std::max(spec.head_dim, spec.value_size())));
}

int units_per_kv_head(const AttentionSpec& spec, const AttentionRows& rows) {
  const int per_unit = queries_per_unit(spec);
  return (rows.rows * group_size(spec) + per_unit - 1) / per_unit;
}

// The queries of a unit, copied so that they lie next to each other: query i of a kv head belongs to row i /
// G and head kv_head·G + i % G.
struct Unit {
  union {
    alignas(64) float q[vectors_floats];
    alignas(64) std::int16_t codes[vectors_floats];
  };
  float steps[largest_queries];
  int positions[largest_queries];
  int heads[largest_queries];
  Queries queries;
  int first;  // query

  Unit(const Functions& functions, const AttentionSpec& spec, CacheType type, const AttentionRows& rows,
       int unit) {
    const int per_kv_head = units_per_kv_head(spec, rows), group = group_size(spec);
    const int stride = vector_stride(spec.head_dim);
    first = unit % per_kv_head * queries_per_unit(spec);
    queries = {q,
               codes,
               steps,
               positions,
               heads,
               std::min(queries_per_unit(spec), rows.rows * group - first),
               unit / per_kv_head,
               rows.length};
    for (int i = 0; i < queries.count; ++i) {
      positions[i] = rows.first_position + row(i, group);
      heads[i] = head(i, group);
      const float* from = rows.q + row(i, group) * rows.q_stride + std::int64_t{heads[i]} * spec.head_dim;
      if (counts_steps(type)) {
        functions.round_query(from, spec.head_dim, codes + i * code_stride(spec.head_dim), steps + i);
        continue;
      }
      steps[i] = 1;
      std::copy_n(from, spec.head_dim, q + i * stride);
      std::fill(q + i * stride + spec.head_dim, q + (i + 1) * stride, 0.0f);
    }
  }

  int row(int i, int group) const { return (first + i) / group; }
  int head(int i, int group) const { return queries.kv_head * group + (first + i) % group; }

  bool sees_tile(const AttentionSpec& spec, int tile) const {
    const int begin = tile * tile_positions;
    for (int i = 0; i < queries.count; ++i) {
      const Visible visible = visible_at(spec, positions[i], heads[i], queries.length);
      if (sees(visible, begin, begin + tile_positions)) return true;
    }
    return false;
  }
};

struct StateBuffer {
  alignas(64) float values[vectors_floats];
  float largest[largest_queries];
  float total[largest_queries];
  State state = {largest, total, values};
};

// What has been seen before the first tile: nothing, or a sink that weighs e^0 and has no value.
void begin(const AttentionSpec& spec, const Unit& unit, StateBuffer& buffer) {
  const int group = group_size(spec);
  for (int i = 0; i < unit.queries.count; ++i) {
    buffer.largest[i] = spec.sinks == nullptr ? -std::numeric_limits<float>::infinity()
                                              : spec.sinks[unit.head(i, group)] * log2_e;
    buffer.total[i] = spec.sinks == nullptr ? 0.0f : 1.0f;
  }
  std::fill_n(buffer.values, unit.queries.count * vector_stride(spec.value_size()), 0.0f);
}

void end(const Functions& functions, const AttentionSpec& spec, const AttentionRows& rows, const Unit& unit,
         const StateBuffer& buffer) {
  const int group = group_size(spec), value_dim = spec.value_size();
  for (int i = 0; i < unit.queries.count; ++i) {
    float* out =
        rows.out + unit.row(i, group) * rows.out_stride + std::int64_t{unit.head(i, group)} * value_dim;
    functions.finish(buffer.values + i * vector_stride(value_dim), buffer.total[i], value_dim, out);
  }
}

// The state of one tile of one unit in scratch memory.
struct PartialLayout {
  PartialLayout(const AttentionSpec& spec, const AttentionRows& rows)
      : queries(std::min(queries_per_unit(spec), rows.rows * group_size(spec))),
        floats(std::int64_t{queries} * (vector_stride(spec.value_size()) + 2)) {}

  State at(void* scratch, std::int64_t index) const {
    float* base = static_cast<float*>(scratch) + index * floats;
    return {base, base + queries, base + 2 * queries};
  }

  int queries;
  std::int64_t floats;
};

}  // namespace

std::span<const Row> rows() { return table; }

void attend(const Functions& functions, const AttentionSpec& spec, const KeyValues& cache,
            const AttentionRows& rows, int index) {
  const Unit unit(functions, spec, cache.type, rows, index);
  StateBuffer sum, next;
  begin(spec, unit, sum);
  for (int tile = 0; tile < attention_tiles(rows); ++tile) {
    if (!unit.sees_tile(spec, tile)) continue;
    functions.tile(spec, cache, unit.queries, tile, next.state);
    functions.merge(sum.state, next.state, unit.queries.count, spec.value_size());
  }
  end(functions, spec, rows, unit, sum);
}

}  // namespace attention

void check(const AttentionSpec& spec) {
  if (spec.kv_heads <= 0 || spec.heads <= 0 || spec.heads % spec.kv_heads != 0) {
    fail(ErrorKind::unsupported,
         "attention with {} heads over {} kv heads is not possible, heads must be a multiple", spec.heads,
         spec.kv_heads);
  }
  for (const int dim : {spec.head_dim, spec.value_size()}) {
    if (dim <= 0 || dim > largest_head_dim) {
      fail(ErrorKind::unsupported, "attention with {} elements per head has no kernel, at most {} do", dim,
           largest_head_dim);
    }
  }
}

std::size_t vector_bytes(CacheType type, int elements) {
  const auto count = static_cast<std::size_t>(elements);
  switch (type) {
    case CacheType::f32:
      return 4 * count;
    case CacheType::i16:
      return 2 * count;
    case CacheType::i8:
      return count;
    case CacheType::u4:
      break;
  }
  return count / 2;
}

std::size_t scale_bytes(CacheType type, int elements, int group) {
  if (attention::counts_steps(type)) return sizeof(float);
  return type == CacheType::u4 ? static_cast<std::size_t>(elements / group) * 2 * sizeof(std::uint16_t) : 0;
}

void store_head(CacheType type, const float* x, int head_dim, int group, void* to, void* scales) {
  attention::active().store_head(type, x, head_dim, group, to, scales);
}

int attention_units(const AttentionSpec& spec, const AttentionRows& rows) {
  return spec.kv_heads * attention::units_per_kv_head(spec, rows);
}

int attention_tiles(const AttentionRows& rows) {
  return (rows.length + attention::tile_positions - 1) / attention::tile_positions;
}

void attend(const AttentionSpec& spec, const KeyValues& cache, const AttentionRows& rows, int unit) {
  attention::attend(attention::active(), spec, cache, rows, unit);
}

std::size_t attention_scratch_bytes(const AttentionSpec& spec, const AttentionRows& rows) {
  const attention::PartialLayout layout(spec, rows);
  return static_cast<std::size_t>(layout.floats) * sizeof(float) *
         static_cast<std::size_t>(attention_units(spec, rows)) *
         static_cast<std::size_t>(attention_tiles(rows));
}

void attend(ThreadPool& pool, const AttentionSpec& spec, const KeyValues& cache, const AttentionRows& rows,
            void* scratch) {
  const int units = attention_units(spec, rows), tiles = attention_tiles(rows);
  if (scratch == nullptr || units >= 2 * pool.size() || tiles < 2) {
    pool.run(units, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t unit = begin; unit < end; ++unit) attend(spec, cache, rows, static_cast<int>(unit));
    });
    return;
  }
  const attention::Functions& functions = attention::active();
  const attention::PartialLayout layout(spec, rows);
  pool.run(std::int64_t{units} * tiles, 1, [&](std::int64_t index, std::int64_t, int) {
    const attention::Unit unit(functions, spec, cache.type, rows, static_cast<int>(index / tiles));
    const auto tile = static_cast<int>(index % tiles);
    if (unit.sees_tile(spec, tile))
      functions.tile(spec, cache, unit.queries, tile, layout.at(scratch, index));
  });
  pool.run(units, 1, [&](std::int64_t index, std::int64_t, int) {
    const attention::Unit unit(functions, spec, cache.type, rows, static_cast<int>(index));
    attention::StateBuffer sum;
    attention::begin(spec, unit, sum);
    for (int tile = 0; tile < tiles; ++tile) {
      if (!unit.sees_tile(spec, tile)) continue;
      functions.merge(sum.state, layout.at(scratch, index * tiles + tile), unit.queries.count,
                      spec.value_size());
    }
    attention::end(functions, spec, rows, unit, sum);
  });
}

}  // namespace pome::kernels
