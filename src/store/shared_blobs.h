// The cache-wide store of huggingface_hub since 1.32: content named by its Xet hash, once for all
// repositories.
//
//   blobs/.huggingface-shared-blobs   "1\n": the folder is such a store
//   blobs/<2 hex>/<xet hash>          content, read-only
//   blobs/<2 hex>/<xet hash>.refs     the links that lead here, a line each: models--org--name/blobs/<etag>
//   blobs/<2 hex>/<xet hash>.lock     held while any of this changes
//   models--org--name/blobs/<etag>    ../../blobs/<2 hex>/<xet hash>
//
// A line of .refs is written before its link appears and counts while the link is there. Without .refs
// content is never removed: it leaks rather than be missed. Follows huggingface_hub 2.4.0,
// utils/_shared_blobs.py.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "store/hf_cache.h"

namespace pome::store {

// Unless HF_HUB_DISABLE_SHARED_BLOBS, HF_HUB_DISABLE_XET or HF_HUB_DISABLE_SYMLINKS is set.
bool shared_blobs_enabled();

// Whether the cache has such a store. A blobs folder without the marker is somebody else's.
bool has_shared_blobs(const fs::path& cache);

// Throws Error(corrupt) unless xet_hash is 64 hex digits.
fs::path shared_blob(const fs::path& cache, std::string_view xet_hash);

// Where a repository's blob leads if it is a link into the store of its cache, whether or not content is
// there.
std::optional<fs::path> shared_target(const fs::path& cache, const fs::path& blob);

// Every content file of the store.
std::vector<fs::path> all_shared_blobs(const fs::path& cache);

// Makes a repository's blob a link to content of this size that the store has. False where it has none.
bool link_shared_blob(const CachedRepo& repo, std::string_view etag, std::string_view xet_hash,
                      std::uint64_t size_bytes);

// Moves a repository's blob, whose content has been verified, into the store, in place of what is there under
// its hash, and leaves a link. False, and nothing changed, where the cache has a foreign folder in the
// store's place or cannot be written so.
bool publish_shared_blob(const CachedRepo& repo, std::string_view etag, std::string_view xet_hash,
                         std::uint64_t size_bytes);

// The blobs that lead to this content. Nothing where .refs is missing or unreadable.
std::optional<std::vector<fs::path>> shared_references(const fs::path& cache, const fs::path& content);

// Removes content that no blob leads to any more and returns the bytes that freed; else brings .refs up to
// date and returns 0.
std::uint64_t sweep_shared_blob(const fs::path& cache, const fs::path& content);

}  // namespace pome::store
