// Caches of what was computed before, to be resumed where a new prompt begins the same.
//
// An entry is a cache and the tokens it holds. A lookup takes the entry from which the most tokens can be
// resumed: not the longest common prefix but the last point within it that every layer of the cache can
// resume from, which for sliding windows may be far before. Entries that another one can stand in for are
// dropped; those of one conversation that cannot be are thinned until their distances to its end at least
// double, and beyond the limit of bytes the least recently used go. The engine's thread only.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace pome::engine {

// What must agree for a cache to be of use, besides the tokens.
struct PrefixKey {
  std::weak_ptr<const Instance> instance;  // its runner made the cache
  std::string fingerprint;
  int adapter = 0;
  graph::CacheOptions options;
  int rope_length = 0;  // the length by which rope scalings are chosen: see Segment::planned_length

  bool operator==(const PrefixKey& other) const;
};

class PrefixCache {
 public:
  explicit PrefixCache(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // A fork holding the longest usable prefix of `tokens`, of at most `most` tokens; null where there is none.
  std::unique_ptr<graph::Cache> find(const PrefixKey& key, std::span<const std::int32_t> tokens, int most);

  // `tokens` has as many elements as the cache has positions.
  void insert(PrefixKey key, std::vector<std::int32_t> tokens, std::unique_ptr<graph::Cache> cache);

  // Drops the least recently used entries until the rest fit.
  void shrink_to(std::size_t bytes);

  void forget(const Instance& instance);
  void drop_expired();  // entries of models that are gone

  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    PrefixKey key;
    std::vector<std::int32_t> tokens;
    std::unique_ptr<graph::Cache> cache;
    std::size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // most recently used first

  Entries::iterator erase(Entries::iterator entry);
  void thin();

  std::size_t limit_bytes_;
  std::size_t bytes_ = 0;
  Entries entries_;
};

}  // namespace pome::engine
