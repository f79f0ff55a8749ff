#include "graph/cpu/run.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>

namespace pome::graph::cpu {
namespace {

// Large arenas lie in huge pages: rows of x and y that are worked on at once are each in a page of 4 KiB.
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::align_val_t alignment{huge_page};
constexpr std::size_t most_scratch_bytes = std::size_t{64} << 20;

kernels::AttentionSpec attention_spec(const Phase& phase, const Visibility& visible) {
  const Attention& attention = phase.attention;
  return {.heads = attention.heads,
          .kv_heads = attention.kv_heads,
          .head_dim = attention.head_dim,
          .value_dim = attention.value_dim,
          .scale = attention.scale,
          .causal = attention.causal,
          .window = visible.window,
          .keep = visible.keep,
          .chunk = visible.chunk,
          .sparse = {.block = attention.sparse.block,
                     .local = attention.sparse.local,
                     .stride = attention.sparse.stride,
                     .head_step = attention.sparse.head_step},
          .soft_cap = attention.soft_cap,
          .sinks = phase.sinks.empty() ? nullptr : phase.sinks.data()};
}

// Of a step of one sequence, for spreading few rows over all threads: 0 where they are spread without, or
// where it would be more than is worth keeping.
std::size_t scratch_bytes(const kernels::AttentionSpec& spec, const kernels::AttentionRows& rows,
                          int threads) {
  if (attention_units(spec, rows) >= 2 * threads || attention_tiles(rows) < 2) return 0;
  const std::size_t bytes = (attention_scratch_bytes(spec, rows) + 0xffff) & ~std::size_t{0xffff};
  return bytes <= most_scratch_bytes ? bytes : 0;
}

}  // namespace

std::size_t working_bytes(const Program& program, std::int64_t positions, int threads) {
  const Shape& shape = program.shape;
  std::size_t bytes = program.arena_bytes;
  for (const Rope& rope : program.ropes) {
    bytes += static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(rope.dims) * sizeof(float);
  }
  for (const Output& output : program.outputs) {
    bytes += static_cast<std::size_t>(shape.count(output.rows)) * static_cast<std::size_t>(output.width) *
             sizeof(float);
  }
  const auto length = static_cast<int>(std::min<std::int64_t>(positions, std::numeric_limits<int>::max()));
  std::size_t scratch = 0;
  for (const Phase& phase : program.phases) {
    if (phase.kind != PhaseKind::attention) continue;
    const Attention& attention = phase.attention;
    const kernels::AttentionSpec spec =
        attention_spec(phase, visibility({.window = attention.window, .chunk = attention.chunk}, {}));
    for (int rows = 1; rows <= std::min(shape.rows, length); ++rows) {
      const kernels::AttentionRows last{.rows = rows, .first_position = length - rows, .length = length};
      scratch = std::max(scratch, scratch_bytes(spec, last, threads));
    }
  }
  return bytes + scratch;
}

Arena::~Arena() { ::operator delete(bytes_, alignment); }

std::byte* Arena::room_for(std::size_t bytes) {
  if (bytes > size_) {
    ::operator delete(std::exchange(bytes_, nullptr), alignment);
    size_ = 0;
    bytes_ = static_cast<std::byte*>(::operator new(bytes, alignment));
    size_ = bytes;
#ifdef MADV_HUGEPAGE
    // Best effort, and whole pages only, so that no more memory is taken.
    if (bytes >= huge_page) ::madvise(bytes_, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  }
  return bytes_;
}

void Executor::run(const Program& program, const Step& step, std::span<CpuCache* const> caches,
                   Outputs& outputs) {
  program_ = &program;
  step_ = &step;
  caches_ = caches;
  bind(program, step, outputs);
  const std::uint64_t loops = pool_.shared_loops();
  const auto start = std::chrono::steady_clock::now();
  for (const Phase& phase : program.phases) {
    if (program.shape.count(phase.rows) == 0) continue;
    switch (phase.kind) {
      case PhaseKind::rows:
        run_rows(phase, phase.ops);
        break;
      case PhaseKind::products:
        run_products(phase);
        break;
      case PhaseKind::heads:
        run_heads(phase);
        break;
      case PhaseKind::experts:
        run_experts(phase);
        break;
      case PhaseKind::attention:
        run_attention(phase);
        break;
      case PhaseKind::convolution:
        run_convolution(phase);
        break;
      case PhaseKind::recurrence:
        run_recurrence(phase);
        break;
    }
  }
  work_.phase_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  work_.weight_bytes += program.weight_bytes;
  work_.phases += pool_.shared_loops() - loops;
  ++work_.steps;
}

void Executor::bind(const Program& program, const Step& step, Outputs& outputs) {
  std::erase_if(outputs, [&](const auto& entry) {
    return std::none_of(program.outputs.begin(), program.outputs.end(),
                        [&](const Output& output) { return output.name == entry.first; });
  });
  std::byte* base = arena_.room_for(program.arena_bytes);
  addresses_.clear();
  for (const Buffer& buffer : program.buffers) {
    if (buffer.output < 0) {
      addresses_.push_back(base + buffer.offset);
      continue;
    }
    const Output& output = program.outputs[static_cast<std::size_t>(buffer.output)];
    Matrix& matrix = outputs[output.name];
    matrix.rows = program.shape.count(output.rows);
    matrix.width = output.width;
    matrix.values.resize(static_cast<std::size_t>(matrix.rows) * static_cast<std::size_t>(matrix.width));
    addresses_.push_back(reinterpret_cast<std::byte*>(matrix.values.data()));
  }

  positions_.clear();
  planned_.clear();
  segments_.clear();
  for (std::size_t s = 0; s < step.segments.size(); ++s) {
    const Segment& segment = step.segments[s];
    for (int i = 0; i < segment.length; ++i) {
      positions_.push_back(caches_[s]->length() + i);
      planned_.push_back(segment.planned_length);
      segments_.push_back(static_cast<std::int32_t>(s));
    }
  }
  tables_.resize(std::max(tables_.size(), program.ropes.size()));
  for (std::size_t i = 0; i < program.ropes.size(); ++i) {
    const std::size_t size = positions_.size() * static_cast<std::size_t>(program.ropes[i].dims / 2);
    tables_[i].resize(2 * size);
    fill_rope_tables(program.ropes[i], positions_, planned_, std::span(tables_[i]).first(size),
                     std::span(tables_[i]).last(size));
  }
}

kernels::Activations Executor::activations(int index) const {
  const QuantizedInput& input = program_->quantized[static_cast<std::size_t>(index)];
  return lay_out_activations(input.format, program_->shape.count(input.rows) * input.per_row, input.columns,
                             addresses_[static_cast<std::size_t>(input.buffer)]);
}

void Executor::run_rows(const Phase& phase, std::span<const RowOp> ops) {
  const int rows = ops.empty() ? 0 : program_->shape.count(phase.rows);
  const int chunk = std::clamp(rows / (4 * pool_.size()), 1, 16);
  pool_.run(rows, chunk, [&](std::int64_t begin, std::int64_t end, int) {
    for (const RowOp& op : ops) run_row_op(op, static_cast<int>(begin), static_cast<int>(end));
  });
}

void Executor::run_attention(const Phase& phase) {
  const Attention& attention = phase.attention;
  struct Job {
    kernels::AttentionSpec spec;
    kernels::KeyValues cache;
    kernels::AttentionRows rows;
  };
  const auto job_of = [&](std::size_t s) {
    const Segment& segment = step_->segments[s];
    const Visibility visible =
        visibility({.window = attention.window, .chunk = attention.chunk}, caches_[s]->options());
    const int past = caches_[s]->length();
    return Job{attention_spec(phase, visible),
               caches_[s]->view(attention.layer),
               {.q = at(phase.input, segment.begin),
                .q_stride = phase.input.stride,
                .out = at(phase.out, segment.begin),
                .out_stride = phase.out.stride,
                .rows = segment.length,
                .first_position = past,
                .length = past + segment.length}};
  };

  unit_ends_.clear();
  int units = 0;
  bool whole_heads = true;  // is each unit
  for (std::size_t s = 0; s < step_->segments.size(); ++s) {
    const Job job = job_of(s);
    const int own = attention_units(job.spec, job.rows);
    whole_heads = whole_heads && own == attention.kv_heads;
    unit_ends_.push_back(units += own);
  }
  if (step_->segments.size() == 1) {
    const Job job = job_of(0);
    // Without scratch the bits are the same and fewer threads take part.
    if (const std::size_t bytes = scratch_bytes(job.spec, job.rows, pool_.size()); bytes > 0) {
      run_rows(phase, phase.before);
      attend(pool_, job.spec, job.cache, job.rows, scratch_.room_for(bytes));
      run_rows(phase, phase.ops);
      return;
    }
  }
  if (!whole_heads) run_rows(phase, phase.before);
  const auto run_unit = [&](std::int64_t index, std::int64_t, int) {
    const auto segment = std::upper_bound(unit_ends_.begin(), unit_ends_.end(), static_cast<int>(index));
    const auto s = static_cast<std::size_t>(segment - unit_ends_.begin());
    const Job job = job_of(s);
    const int unit = static_cast<int>(index) - (s == 0 ? 0 : unit_ends_[s - 1]);
    const auto run_ops = [&](std::span<const RowOp> ops) {
      const int begin = step_->segments[s].begin, end = begin + step_->segments[s].length;
      for (const RowOp& op : ops) run_row_op(op.columns(unit, unit + 1, attention.kv_heads), begin, end);
    };
    if (whole_heads) run_ops(phase.before);
    attend(job.spec, job.cache, job.rows, unit);
    if (whole_heads) run_ops(phase.ops);
  };
  pool_.run(units, 1, run_unit, phase.soon);
  if (!whole_heads) run_rows(phase, phase.ops);
}

}  // namespace pome::graph::cpu
