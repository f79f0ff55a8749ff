#include <algorithm>

#include "graph/cpu/program.h"

namespace pome::graph::cpu {
namespace {

void touch(Program& program, int buffer, int phase) {
  if (buffer < 0) return;
  Buffer& b = program.buffers[static_cast<std::size_t>(buffer)];
  if (b.first_phase < 0) b.first_phase = phase;
  b.last_phase = phase;
}

// Chunks that leave every thread a few of them, in whole panels of 32 columns. A few tokens read weights, and
// where a chunk ends so does a stream of memory: few large chunks. With many rows, codes and scales of 72 KiB
// become panels that fit the second-level cache. Threads that find no chunk left wait for the last: of a
// token, which takes columns one by one, and of a long prompt, each thread's share ends in ever smaller
// chunks for others to take off its end.
//
// Where the products' columns are worked on together, each chunk is one of all products.
void cut(Phase& phase, int rows, int threads, int together) {
  const std::int64_t panel = std::max(rows <= few_rows ? 8 : 32, together);
  const bool shrink = rows >= 64;
  const std::int64_t chunk_bytes = rows <= 16 ? 256 << 10 : 72 << 10;
  const auto count = static_cast<int>(phase.products.size());
  const int at_once = phase.ops.empty() ? 1 : count;
  std::int64_t columns = 0;
  for (const Product& product : phase.products) columns += product.out.width;
  columns /= at_once;
  const std::int64_t share = std::max<std::int64_t>(columns / threads, 1);
  const std::int64_t by_threads = rows <= few_rows ? share : share / 4;
  for (int i = 0; i < count; i += at_once) {
    const int width = phase.products[static_cast<std::size_t>(i)].out.width;
    std::int64_t column_bytes = 0;
    for (int k = i; k < i + at_once; ++k) {
      column_bytes += row_bytes(phase.products[static_cast<std::size_t>(k)].matrix);
    }
    const std::int64_t at_least = rows <= few_rows ? (24 << 10) / std::max<std::int64_t>(column_bytes, 1) : 0;
    const std::int64_t by_bytes = chunk_bytes / std::max<std::int64_t>(column_bytes, 1);
    for (std::int64_t begin = 0, end = 0; begin < width; begin = end) {
      const std::int64_t by_rest = rows <= few_rows || shrink ? ((columns - 1) % share + 1) / 2 : by_threads;
      const std::int64_t most = std::max(std::min({by_bytes, by_threads, by_rest}), at_least);
      const std::int64_t step = std::max(panel, most / panel * panel);
      end = std::min<std::int64_t>(begin + step, width);
      columns -= end - begin;
      phase.chunks.push_back({i, at_once, static_cast<int>(begin), static_cast<int>(end)});
    }
  }
}

// What each worker reads first, up to a part of the second-level cache.
std::vector<Stretches> first_reads(const Phase& phase, int threads) {
  constexpr std::int64_t most_bytes = 128 << 10;
  std::vector<Stretches> reads;
  const auto workers = static_cast<std::size_t>(threads);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    const Chunk& chunk = phase.chunks[phase.chunks.size() * worker / workers];
    const StoredMatrix& matrix = phase.products[static_cast<std::size_t>(chunk.product)].matrix;
    const std::int64_t rows = most_bytes / std::max<std::int64_t>(row_bytes(matrix), 1);
    const auto end = static_cast<int>(std::min<std::int64_t>(chunk.end, chunk.begin + rows));
    reads.push_back(stretches(matrix, chunk.begin, end));
  }
  return reads;
}

}  // namespace

void cut_products(Program& program, int threads) {
  program.weight_bytes = 0;
  for (Phase& phase : program.phases) {
    if (phase.kind != PhaseKind::products) continue;
    int together = 1;
    for (const RowOp& op : phase.ops) {
      if (op.kind != RowKind::quantize) continue;
      together =
          std::max(together, columns_together(program.quantized[static_cast<std::size_t>(op.index)].format));
    }
    cut(phase, program.shape.count(phase.rows), threads, together);
    for (const Product& product : phase.products) {
      program.weight_bytes += static_cast<std::uint64_t>(row_bytes(product.matrix) * product.out.width);
    }
  }
  if (program.shape.rows > few_rows || threads == 1) return;
  // Twice round, since the last products are followed by the first.
  std::vector<Stretches> next;
  for (std::size_t i = 2 * program.phases.size(); i-- > 0;) {
    Phase& phase = program.phases[i % program.phases.size()];
    phase.soon = next;
    if (phase.kind == PhaseKind::products) next = first_reads(phase, threads);
    if (phase.kind == PhaseKind::experts) next.clear();  // theirs would displace what is fetched before
  }
}

void plan_arena(Program& program) {
  const auto quantized_buffer = [&](int index) {
    return program.quantized[static_cast<std::size_t>(index)].buffer;
  };
  for (std::size_t i = 0; i < program.phases.size(); ++i) {
    const int at = static_cast<int>(i);
    const Phase& phase = program.phases[i];
    touch(program, phase.input.buffer, at);
    touch(program, phase.out.buffer, at);
    for (const View& view : phase.others) touch(program, view.buffer, at);
    if (phase.heads.activations >= 0) touch(program, quantized_buffer(phase.heads.activations), at);
    if (phase.experts >= 0) {
      const ExpertsWork& work = program.experts[static_cast<std::size_t>(phase.experts)];
      for (const View& view : {work.routes, work.gathered, work.hidden, work.products, work.outputs}) {
        touch(program, view.buffer, at);
      }
      for (const int index : {work.gate_activations, work.up_activations, work.down_activations}) {
        if (index >= 0) touch(program, quantized_buffer(index), at);
      }
    }
    for (const std::vector<RowOp>* ops : {&phase.before, &phase.ops}) {
      for (const RowOp& op : *ops) {
        for (const View& view : {op.a, op.b, op.out}) touch(program, view.buffer, at);
        if (op.kind == RowKind::quantize) touch(program, quantized_buffer(op.index), at);
      }
    }
    for (const Product& product : phase.products) {
      if (product.activations >= 0) touch(program, quantized_buffer(product.activations), at);
      touch(program, product.out.buffer, at);
      touch(program, product.residual.buffer, at);
    }
  }

  // First fit, in the order in which buffers come into use.
  std::vector<Buffer*> order;
  for (Buffer& buffer : program.buffers) {
    if (buffer.output < 0 && buffer.first_phase >= 0) order.push_back(&buffer);
  }
  std::sort(order.begin(), order.end(), [](const Buffer* a, const Buffer* b) {
    return std::pair(a->first_phase, a) < std::pair(b->first_phase, b);
  });
  std::vector<const Buffer*> live;  // by offset
  for (Buffer* buffer : order) {
    buffer->bytes = (buffer->bytes + 63) / 64 * 64;
    std::erase_if(live, [&](const Buffer* b) { return b->last_phase < buffer->first_phase; });
    std::size_t offset = 0;
    for (const Buffer* other : live) {
      if (offset + buffer->bytes <= other->offset) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    const auto place = std::upper_bound(live.begin(), live.end(), offset,
                                        [](std::size_t o, const Buffer* b) { return o < b->offset; });
    live.insert(place, buffer);
    program.arena_bytes = std::max(program.arena_bytes, offset + buffer->bytes);
  }
}

}  // namespace pome::graph::cpu
