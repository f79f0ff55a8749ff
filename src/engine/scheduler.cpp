#include "engine/scheduler.h"

#include <algorithm>

namespace pome::engine {

int StepBudget::rows(double target_ms) const {
  constexpr int first_guess = 4 * floor_rows;
  const double fitting = ms_per_row_ > 0 ? target_ms / ms_per_row_ : first_guess;
  const int rows = static_cast<int>(std::min(fitting, static_cast<double>(ceiling_)));
  return std::clamp(rows / floor_rows * floor_rows, std::min(floor_rows, ceiling_), ceiling_);
}

void StepBudget::record(int rows, double ms) {
  if (rows < floor_rows || ms <= 0) return;  // says little about larger steps
  const double measured = ms / rows;
  ms_per_row_ = ms_per_row_ == 0 ? measured : (ms_per_row_ + measured) / 2;
}

std::vector<Share> share_out(std::span<Sequence* const> running, int budget) {
  std::vector<Share> shares;
  for (Sequence* sequence : running) {
    if (sequence->pending() == 1) shares.push_back({sequence, 1});
  }
  int left = std::max(budget - static_cast<int>(shares.size()), StepBudget::floor_rows);
  for (Sequence* sequence : running) {
    if (left == 0) break;
    if (sequence->pending() <= 1) continue;
    const int rows = std::min(sequence->next_stretch(), left);
    shares.push_back({sequence, rows});
    left -= rows;
  }
  return shares;
}

graph::Step make_step(std::span<const Share> shares) {
  graph::Step step;
  for (const auto& [sequence, rows] : shares) {
    graph::Segment segment;
    segment.begin = static_cast<int>(step.tokens.size());
    segment.length = rows;
    segment.cache = sequence->cache();
    segment.adapter = sequence->request().adapter;
    segment.planned_length = sequence->planned_length();
    step.segments.push_back(segment);
    const auto next = sequence->tokens().subspan(static_cast<std::size_t>(sequence->computed()),
                                                 static_cast<std::size_t>(rows));
    step.tokens.insert(step.tokens.end(), next.begin(), next.end());
    if (sequence->wants_logits(rows)) step.out_rows.push_back(segment.begin + rows - 1);
  }
  return step;
}

}  // namespace pome::engine
