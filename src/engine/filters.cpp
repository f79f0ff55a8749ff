#include "engine/filters.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace pome::engine {

namespace {

bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Something to be taken in order of `key`, the smallest first, until the weights suffice.
struct Ranked {
  std::uint32_t key = 0;
  std::int32_t id = 0;
  float weight = 0;
};

bool before(const Ranked& a, const Ranked& b) { return a.key < b.key || (a.key == b.key && a.id < b.id); }

// An integer for each number, in their order.
std::uint32_t ordered(float key) {
  const auto bits = std::bit_cast<std::uint32_t>(key + 0.0f);  // no negative zero
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}

// What a prefix still lacks.
struct Missing {
  double weight;
  std::int64_t count;
};

// Of the items, those around the border where nothing is missing any more: their keys fill one of 2,048 equal
// parts of the range of all. What comes before them is taken off `missing`. rank(item) is a Ranked.
template <class Items, class Rank>
std::vector<Ranked> around_border(const Items& items, Missing& missing, Rank rank) {
  constexpr int bucket_bits = 11;
  std::uint32_t low = ~0u, high = 0;
  for (const auto& item : items) {
    const std::uint32_t key = rank(item).key;
    low = std::min(low, key);
    high = std::max(high, key);
  }
  const int shift = std::max(0, static_cast<int>(std::bit_width(high - low)) - bucket_bits);
  std::array<Missing, 1 << bucket_bits> buckets{};
  for (const auto& item : items) {
    const Ranked ranked = rank(item);
    Missing& bucket = buckets[(ranked.key - low) >> shift];
    bucket.weight += static_cast<double>(ranked.weight);
    ++bucket.count;
  }
  std::uint32_t border = 0;
  for (; border < (high - low) >> shift; ++border) {
    const Missing& bucket = buckets[border];
    if (bucket.weight >= missing.weight && bucket.count >= missing.count) break;
    missing.weight -= bucket.weight;
    missing.count -= bucket.count;
  }
  std::vector<Ranked> found;
  found.reserve(static_cast<std::size_t>(buckets[border].count));
  for (const auto& item : items) {
    if (const Ranked ranked = rank(item); (ranked.key - low) >> shift == border) found.push_back(ranked);
  }
  return found;
}

// Keeps the shortest prefix, in order of the key and then the id, whose weights reach `target` and that has
// at least min_keep candidates. After three passes all keys around the border are equal, so that a handful is
// sorted, or nothing.
template <class Key>
void keep_prefix(Candidates& candidates, double target, int min_keep, Key key) {
  const auto rank = [&](const Candidate& c) { return Ranked{ordered(key(c)), c.id, c.weight}; };
  Missing missing = {target, std::clamp<std::int64_t>(min_keep, 1, std::ssize(candidates))};
  std::vector<Ranked> items = around_border(candidates, missing, rank);
  for (int pass = 0; pass < 2 && items.size() > 32; ++pass)
    items = around_border(items, missing, std::identity());
  if (!std::is_sorted(items.begin(), items.end(), before)) std::sort(items.begin(), items.end(), before);
  Ranked last = items.back();
  for (const Ranked& item : items) {
    missing.weight -= static_cast<double>(item.weight);
    if (--missing.count <= 0 && missing.weight <= 0) {
      last = item;
      break;
    }
  }
  std::erase_if(candidates, [&](const Candidate& c) { return before(last, rank(c)); });
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
