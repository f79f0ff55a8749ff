#include "engine/filters.h"

#include <algorithm>
#include <cmath>

namespace pome::engine {

namespace {

bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Something to be taken in order of `key`, the smallest first, until the weights suffice.
struct Ranked {
  float key = 0;
  std::int32_t id = 0;
  double weight = 0;
};

bool before(const Ranked& a, const Ranked& b) { return a.key < b.key || (a.key == b.key && a.id < b.id); }

// The last item of the shortest prefix, in order, whose weights reach `target` and that has at least min_keep
// items. Halves the part that holds the border again and again, so it costs a few passes and never sorts more
// than a handful. Reorders the items.
Ranked prefix_end(std::vector<Ranked>& items, double target, int min_keep) {
  std::size_t low = 0;
  std::size_t high = items.size();
  double missing = target;
  while (high - low > 32) {
    const std::size_t middle = low + (high - low) / 2;
    const auto at = [&](std::size_t i) { return items.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(low), at(middle), at(high), before);
    double sum = 0;
    for (std::size_t i = low; i < middle; ++i) sum += items[i].weight;
    if (sum >= missing) {
      high = middle;
    } else {
      missing -= sum;
      low = middle;
    }
  }
  std::sort(items.begin() + static_cast<std::ptrdiff_t>(low),
            items.begin() + static_cast<std::ptrdiff_t>(high), before);
  std::size_t count = low;
  while (count < high) {
    missing -= items[count++].weight;
    if (missing <= 0) break;
  }
  const std::size_t least = std::min(items.size(), static_cast<std::size_t>(std::max(1, min_keep)));
  if (count < least) {
    count = least;
    std::nth_element(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count - 1), items.end(),
                     before);
  }
  return items[count - 1];
}

// Keeps what does not come after `last`; key maps a candidate to its place in the order.
template <class Key>
void keep_until(Candidates& candidates, const Ranked& last, Key key) {
  std::erase_if(candidates, [&](const Candidate& c) { return before(last, Ranked{key(c), c.id, 0}); });
}

template <class Key>
void keep_prefix(Candidates& candidates, double target, int min_keep, Key key) {
  std::vector<Ranked> items;
  items.reserve(candidates.size());
  for (const Candidate& c : candidates) items.push_back({key(c), c.id, static_cast<double>(c.weight)});
  keep_until(candidates, prefix_end(items, target, min_keep), key);
}

Candidate likeliest(const Candidates& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(), likelier);
}

}  // namespace

double total_weight(const Candidates& candidates) {
  double total = 0;
  for (const Candidate& c : candidates) total += static_cast<double>(c.weight);
  return total;
}

void keep_top_p(Candidates& candidates, double total, float p, int min_keep) {
  if (p >= 1 || candidates.size() <= 1) return;
  keep_prefix(candidates, static_cast<double>(p) * total, min_keep,
              [](const Candidate& c) { return -c.logit; });
}

void keep_typical(Candidates& candidates, float p, int min_keep) {
  if (p >= 1 || candidates.size() <= 1) return;
  const double total = total_weight(candidates);
  const double log_total = std::log(total);
  double entropy = 0;
  for (const Candidate& c : candidates) {
    entropy += static_cast<double>(c.weight) / total * (log_total - static_cast<double>(c.logit));
  }
  keep_prefix(candidates, static_cast<double>(p) * total, min_keep, [&](const Candidate& c) {
    return static_cast<float>(std::abs(log_total - static_cast<double>(c.logit) - entropy));
  });
}

void keep_min_p(Candidates& candidates, float min_p, int min_keep) {
  if (min_p <= 0 || candidates.size() <= 1) return;
  float cut = likeliest(candidates).logit + std::log(min_p);
  if (min_keep > 1) {
    std::vector<float> logits;
    logits.reserve(candidates.size());
    for (const Candidate& c : candidates) logits.push_back(c.logit);
    const auto kth = logits.begin() + std::min<std::ptrdiff_t>(min_keep, std::ssize(logits)) - 1;
    std::nth_element(logits.begin(), kth, logits.end(), std::greater<>());
    cut = std::min(cut, *kth);
  }
  std::erase_if(candidates, [&](const Candidate& c) { return c.logit < cut; });
}

void drop_top_choices(Candidates& candidates, float threshold, std::span<const std::int32_t> exempt,
                      int min_keep) {
  const double bar = static_cast<double>(threshold) * total_weight(candidates);
  float least = 1;  // weights are at most 1
  int above = 0;
  for (const Candidate& c : candidates) {
    if (static_cast<double>(c.weight) <= bar) continue;
    least = std::min(least, c.weight);
    ++above;
  }
  if (above < 2) return;
  const auto goes = [&](const Candidate& c) {
    return c.weight > least && std::find(exempt.begin(), exempt.end(), c.id) == exempt.end();
  };
  const auto leaving = std::count_if(candidates.begin(), candidates.end(), goes);
  if (std::ssize(candidates) - leaving < std::max(1, min_keep)) return;
  std::erase_if(candidates, goes);
}

void keep_unsurprising(Candidates& candidates, double total, float mu) {
  const Candidate best = likeliest(candidates);
  std::erase_if(candidates, [&](const Candidate& c) {
    return c.id != best.id && -std::log2(static_cast<double>(c.weight) / total) > static_cast<double>(mu);
  });
}

std::size_t draw(const Candidates& candidates, double u) {
  double rest = u * total_weight(candidates);
  std::size_t last = 0;  // rounding may leave a rest at the end: then the last possible candidate
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto weight = static_cast<double>(candidates[i].weight);
    if (weight == 0) continue;
    last = i;
    if (rest < weight) return i;
    rest -= weight;
  }
  return last;
}

}  // namespace pome::engine
