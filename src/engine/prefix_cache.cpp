#include "engine/prefix_cache.h"

#include <algorithm>
#include <bit>

namespace pome::engine {

namespace {

int common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return static_cast<int>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

bool begins_with(std::span<const std::int32_t> whole, std::span<const std::int32_t> start) {
  return start.size() <= whole.size() && std::equal(start.begin(), start.end(), whole.begin());
}

}  // namespace

bool PrefixKey::operator==(const PrefixKey& other) const {
  const bool same_instance = !instance.owner_before(other.instance) && !other.instance.owner_before(instance);
  return same_instance && fingerprint == other.fingerprint && adapter == other.adapter &&
         rope_length == other.rope_length && options.kv_bits == other.options.kv_bits &&
         options.kv_group_size == other.options.kv_group_size &&
         options.max_kv_size == other.options.max_kv_size && options.keep == other.options.keep;
}

std::unique_ptr<graph::Cache> PrefixCache::find(const PrefixKey& key, std::span<const std::int32_t> tokens,
                                                int most) {
  auto best = entries_.end();
  int length = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (!(entry->key == key)) continue;
    const int shared = std::min(common_prefix(entry->tokens, tokens), most);
    if (shared <= length) continue;
    if (const int usable = entry->cache->resume_point(shared); usable > length) {
      length = usable;
      best = entry;
    }
  }
  if (best == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, best);
  return best->cache->fork(length);
}

void PrefixCache::insert(PrefixKey key, std::vector<std::int32_t> tokens,
                         std::unique_ptr<graph::Cache> cache) {
  const int length = static_cast<int>(tokens.size());
  if (length == 0 || limit_bytes_ == 0) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (!(entry->key == key)) {
      ++entry;
    } else if (begins_with(entry->tokens, tokens) && entry->cache->resume_point(length) == length) {
      entries_.splice(entries_.begin(), entries_, entry);  // it serves as well
      return;
    } else if (const int old = static_cast<int>(entry->tokens.size());
               begins_with(tokens, entry->tokens) && cache->resume_point(old) == old) {
      entry = erase(entry);
    } else {
      ++entry;
    }
  }
  const std::size_t size = cache->bytes();
  entries_.push_front({std::move(key), std::move(tokens), std::move(cache), size});
  bytes_ += size;
  thin();
  shrink_to(limit_bytes_);
}

void PrefixCache::thin() {
  // Of the newest entry's ancestors at a distance of [2^k, 2^(k+1)) tokens the furthest stays, because it is
  // the first to grow into the next class, and so does the nearest of all, where an answer is asked for
  // again.
  const Entry& newest = entries_.front();
  std::vector<Entries::iterator> ancestors;
  for (auto entry = std::next(entries_.begin()); entry != entries_.end(); ++entry) {
    if (entry->key == newest.key && begins_with(newest.tokens, entry->tokens)) ancestors.push_back(entry);
  }
  std::sort(ancestors.begin(), ancestors.end(),
            [](const auto& a, const auto& b) { return a->tokens.size() < b->tokens.size(); });
  if (!ancestors.empty()) ancestors.pop_back();
  int last_class = -1;
  for (const auto& entry : ancestors) {
    const auto distance = newest.tokens.size() - entry->tokens.size();
    if (const int own_class = static_cast<int>(std::bit_width(distance)); own_class != last_class) {
      last_class = own_class;
    } else {
      erase(entry);
    }
  }
}

PrefixCache::Entries::iterator PrefixCache::erase(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  return entries_.erase(entry);
}

void PrefixCache::shrink_to(std::size_t bytes) {
  while (bytes_ > bytes && !entries_.empty()) erase(std::prev(entries_.end()));
}

void PrefixCache::forget(const Instance& instance) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = entry->key.instance.lock().get() == &instance ? erase(entry) : std::next(entry);
  }
}

void PrefixCache::drop_expired() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = entry->key.instance.expired() ? erase(entry) : std::next(entry);
  }
}

}  // namespace pome::engine
