#include "engine/dry.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace pome::engine {

void suffix_matches(std::span<const std::int32_t> history, std::vector<int>& match) {
  const int size = static_cast<int>(history.size());
  const auto back = [&](int i) { return history[static_cast<std::size_t>(size - 1 - i)]; };
  match.assign(history.size(), 0);
  int left = 0;  // [left, right) is the match that reaches furthest so far
  int right = 0;
  for (int i = 1; i < size; ++i) {
    int n = i < right ? std::min(match[static_cast<std::size_t>(i - left)], right - i) : 0;
    while (i + n < size && back(n) == back(i + n)) ++n;
    match[static_cast<std::size_t>(i)] = n;
    if (i + n > right) {
      left = i;
      right = i + n;
    }
  }
}

Dry::Dry(DryParams params, TokenBytes token_bytes)
    : params_(std::move(params)), token_bytes_(std::move(token_bytes)) {
  std::erase(params_.breakers, std::string());
  if (!token_bytes_) params_.breakers.clear();
  for (const std::string& breaker : params_.breakers) {
    longest_breaker_ = std::max(longest_breaker_, breaker.size());
  }
}

void Dry::find_breaks(std::span<const std::int32_t> history) {
  if (params_.breakers.empty()) return;
  for (; seen_ < history.size(); ++seen_) {
    const std::size_t old = tail_.size();
    tail_ += token_bytes_(history[seen_]);
    for (const std::string& breaker : params_.breakers) {
      // Only where it ends in this token's text.
      const std::size_t from = old >= breaker.size() ? old - breaker.size() + 1 : 0;
      if (tail_.find(breaker, from) != std::string::npos) {
        after_break_ = seen_ + 1;
        break;
      }
    }
    if (tail_.size() >= longest_breaker_) tail_.erase(0, tail_.size() - longest_breaker_ + 1);
  }
}

bool Dry::is_breaker(std::int32_t token) const {
  if (params_.breakers.empty()) return false;
  const std::string_view text = token_bytes_(token);
  return std::any_of(params_.breakers.begin(), params_.breakers.end(), [&](const std::string& breaker) {
    return text.find(breaker) != std::string_view::npos;
  });
}

void Dry::apply(std::span<float> logits, std::span<const std::int32_t> history) {
  if (params_.multiplier == 0 || params_.last_n == 0) return;
  find_breaks(history);
  // A repetition lies wholly in the tokens since the last breaker.
  const int limit = static_cast<int>(history.size() - std::min(after_break_, history.size()));
  if (params_.last_n > 0 && static_cast<std::size_t>(params_.last_n) < history.size()) {
    history = history.last(static_cast<std::size_t>(params_.last_n));
  }
  const int size = static_cast<int>(history.size());
  if (size <= params_.allowed_length || limit < params_.allowed_length) return;
  suffix_matches(history, match_);

  std::unordered_map<std::int32_t, int> longest;  // by the token that would continue the repetition
  for (int i = 1; i < size; ++i) {
    const int length = std::min(match_[static_cast<std::size_t>(i)], limit);
    if (length < params_.allowed_length) continue;
    int& best = longest[history[static_cast<std::size_t>(size - i)]];
    best = std::max(best, length);
  }
  for (const auto& [token, length] : longest) {
    if (token < 0 || std::cmp_greater_equal(token, logits.size()) || is_breaker(token)) continue;
    const double penalty = static_cast<double>(params_.multiplier) *
                           std::pow(static_cast<double>(params_.base), length - params_.allowed_length);
    // Large but finite: a repetition never turns into a ban that could leave no token at all.
    logits[static_cast<std::size_t>(token)] -= static_cast<float>(std::min(penalty, 1e30));
  }
}

}  // namespace pome::engine
