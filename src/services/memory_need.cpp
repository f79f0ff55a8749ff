#include "services/memory_need.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/units.h"
#include "engine/engine.h"

namespace pome::services {
namespace {

// 18 MiB of program and libraries, threads' stacks, and a heap with files' headers and recorded programs.
constexpr std::uint64_t process_bytes = std::uint64_t{24} << 20;
// A tokenizer's entry: its bytes, its places in two tables, and a merge.
constexpr std::uint64_t token_bytes = 140;

// What steps may work in: this much, or this part of the weights.
constexpr std::uint64_t little_memory = std::uint64_t{40} << 20;
constexpr std::uint64_t little_part = 20;
constexpr std::uint64_t common_working_bytes = little_memory * 3 / 4;
constexpr int efficient_rows = 128;  // products of more are hardly quicker

std::size_t working_bytes(const models::Model& model, const graph::Backend& backend,
                          const graph::StepSize& size) {
  return backend.working_bytes([&](graph::Graph& g) { model.forward(g); }, model.cache_plan(), size);
}

std::uint64_t total_at(const MemoryNeed& need, std::int64_t positions) {
  MemoryNeed other = need;
  other.use.positions = positions;
  return other.total_bytes();
}

}  // namespace

int best_step_rows(const models::LoadedModel& loaded, const graph::Backend& backend, int most) {
  if (most <= efficient_rows) return most;
  const std::size_t bytes = working_bytes(*loaded.model, backend, {.rows = most});
  const std::uint64_t allowed = std::max(little_memory, models::weight_bytes(loaded) / little_part);
  if (bytes <= allowed) return most;
  const auto rows = static_cast<int>(static_cast<std::uint64_t>(most) * allowed / bytes);
  return std::max(rows / 16 * 16, efficient_rows);
}

std::uint64_t MemoryNeed::cache_bytes() const {
  std::uint64_t each = graph::cache_bytes(plan, use.cache, use.positions, cache_element_bytes, use.step_rows);
  if (use.keeps_prefixes) each += graph::fork_bytes(plan, use.cache, use.positions, cache_element_bytes);
  return each * static_cast<std::uint64_t>(std::max(use.sequences, 1));
}

std::uint64_t MemoryNeed::total_bytes() const {
  return weight_bytes + cache_bytes() + working_bytes + process_bytes;
}

MemoryNeed memory_need(const models::LoadedModel& loaded, const graph::Backend& backend,
                       const MemoryUse& use) {
  const models::Model& model = *loaded.model;
  const int most_rows =
      use.step_rows > 0 ? use.step_rows : best_step_rows(loaded, backend, engine::Options().max_step_tokens);
  const auto rows = static_cast<int>(std::clamp<std::int64_t>(use.positions * use.sequences, 1, most_rows));
  MemoryNeed need;
  need.subject = loaded.folder.filename().string();
  need.weight_bytes = models::weight_bytes(loaded);
  need.process_bytes = process_bytes;
  if (use.text) need.process_bytes += token_bytes * static_cast<std::uint64_t>(model.info().vocab_size);
  need.plan = model.cache_plan();
  need.use = use;
  need.use.step_rows = rows;
  need.cache_element_bytes = backend.cache_element_bytes();
  need.working_bytes =
      working_bytes(model, backend,
                    {.rows = rows,
                     .out_rows = std::min(use.out_rows > 0 ? use.out_rows : use.sequences, rows),
                     .positions = use.positions});
  return need;
}

MemoryNeed distant_memory_need(std::uint64_t weight_bytes, graph::CachePlan plan, std::int64_t positions) {
  constexpr int common_vocabulary = 150'000;
  constexpr int common_step_rows = 512;
  MemoryNeed need;
  need.weight_bytes = weight_bytes;
  need.working_bytes = common_working_bytes;
  need.process_bytes = process_bytes + common_vocabulary * token_bytes;
  need.plan = std::move(plan);
  need.use = {.positions = positions, .step_rows = common_step_rows, .cache = {}};
  need.cache_element_bytes = sizeof(std::int16_t);  // 16 bits, unless asked otherwise
  return need;
}

std::int64_t fitting_positions(const MemoryNeed& need, std::uint64_t available_bytes, std::int64_t most) {
  if (total_at(need, most) <= available_bytes) return most;
  std::int64_t fits = 0, beyond = most;
  while (beyond - fits > 1) {
    const std::int64_t middle = fits + (beyond - fits) / 2;
    (total_at(need, middle) <= available_bytes ? fits : beyond) = middle;
  }
  return fits;
}

void check_memory(const MemoryNeed& need, std::uint64_t available_bytes) {
  const std::uint64_t total = need.total_bytes();
  if (total <= available_bytes) return;
  std::string parts =
      need.weight_bytes == 0 ? "" : fmt::format("weights {} + ", size_text(need.weight_bytes));
  parts += fmt::format("cache {} at {} tokens", size_text(need.cache_bytes()), need.use.positions);
  if (need.use.sequences > 1) parts += fmt::format(" of {} sequences", need.use.sequences);
  if (const std::uint64_t rest = need.working_bytes + need.process_bytes; rest > 0) {
    parts += fmt::format(" + {} to work with", size_text(rest));
  }
  Error refusal = error(ErrorKind::resource, "{}: needs {} ({}), {} available; nothing was loaded",
                        need.subject, size_text(total), parts, size_text(available_bytes));
  // The largest power of two that fits: a figure to remember, and no promise down to the last byte.
  const auto most = static_cast<std::uint64_t>(fitting_positions(need, available_bytes, need.use.positions));
  const auto fitting = static_cast<std::int64_t>(std::bit_floor(most));
  if (fitting >= 256) {
    refusal.with_hint(fmt::format("--max-kv-size {} needs {}", fitting, size_text(total_at(need, fitting))));
  } else if (need.weight_bytes > available_bytes) {
    refusal.with_hint(fmt::format("a model with weights below {} would fit", size_text(available_bytes)));
  }
  throw refusal;
}

}  // namespace pome::services
