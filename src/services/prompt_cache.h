// What was computed for a prompt, kept in a file between processes: safetensors with the cache's tensors, the
// tokens they are for, and in the metadata what they depend on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "services/library.h"

namespace pome::services {

// What a cache depends on besides its tokens: equal keys, interchangeable caches.
struct PromptCacheKey {
  std::string model;  // LoadedModel::fingerprint
  std::string adapter;
  std::string backend;
  graph::CacheOptions cache;
};

struct PromptCache {
  std::shared_ptr<graph::Cache> cache;
  std::vector<std::int32_t> tokens;  // as many as the cache holds
};

PromptCacheKey prompt_cache_key(const Library& library, const OpenModel& model,
                                const graph::CacheOptions& cache, const fs::path& adapter);

// Writes the file in one step.
void save_prompt_cache(Library& library, const fs::path& file, const PromptCacheKey& key,
                       const PromptCache& held);

// The longest beginning that the file's tokens share with the prompt, short of its last token, and that
// decoding can resume from; a null cache where there is none. Throws Error: usage (made by another model or
// with other settings, naming what differs), corrupt.
PromptCache load_prompt_cache(Library& library, const OpenModel& model, const fs::path& file,
                              const PromptCacheKey& key, std::span<const std::int32_t> prompt);

}  // namespace pome::services
