#include "engine/penalties.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace pome::engine {

namespace {

// Calls visit(logit, count) for every different token of the window that has a logit.
template <class Visit>
void for_each_token(std::span<float> logits, std::span<const std::int32_t> history, int window, Visit visit) {
  if (window >= 0 && static_cast<std::size_t>(window) < history.size()) {
    history = history.last(static_cast<std::size_t>(window));
  }
  std::vector<std::int32_t> tokens(history.begin(), history.end());
  std::sort(tokens.begin(), tokens.end());
  for (auto run = tokens.begin(); run != tokens.end();) {
    const auto end = std::upper_bound(run, tokens.end(), *run);
    if (*run >= 0 && std::cmp_less(*run, logits.size())) {
      visit(logits[static_cast<std::size_t>(*run)], static_cast<float>(end - run));
    }
    run = end;
  }
}

}  // namespace

void apply_mask(std::span<float> logits, std::span<const std::uint32_t> words) {
  constexpr float never = -std::numeric_limits<float>::infinity();
  for (std::size_t begin = 0; begin < logits.size(); begin += 32) {
    const std::uint32_t word = begin / 32 < words.size() ? words[begin / 32] : 0;
    if (word == ~std::uint32_t{0}) continue;
    const std::size_t end = std::min(begin + 32, logits.size());
    for (std::size_t i = begin; i < end; ++i) {
      if ((word >> (i - begin) & 1) == 0) logits[i] = never;
    }
  }
}

void apply_bias(std::span<float> logits, const std::map<std::int32_t, float>& bias) {
  for (const auto& [id, amount] : bias) {
    if (id >= 0 && std::cmp_less(id, logits.size())) logits[static_cast<std::size_t>(id)] += amount;
  }
}

void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> history, float penalty,
                         int window) {
  if (penalty == 1) return;
  for_each_token(logits, history, window,
                 [&](float& logit, float) { logit = logit < 0 ? logit * penalty : logit / penalty; });
}

void penalize_presence(std::span<float> logits, std::span<const std::int32_t> history, float penalty,
                       int window) {
  if (penalty == 0) return;
  for_each_token(logits, history, window, [&](float& logit, float) { logit -= penalty; });
}

void penalize_frequency(std::span<float> logits, std::span<const std::int32_t> history, float penalty,
                        int window) {
  if (penalty == 0) return;
  for_each_token(logits, history, window, [&](float& logit, float count) { logit -= penalty * count; });
}

}  // namespace pome::engine
