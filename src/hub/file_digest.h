// Whether a file on disk is what its digest says.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/file.h"

namespace pome::hub {

// Reads all of it. False also for another size. `cancelled` is asked every few MiB; read_bytes, where given,
// counts along. Throws Error: interrupted, refused, internal; corrupt where etag is no digest.
bool content_matches(const fs::path& file, const std::string& etag, std::uint64_t size_bytes,
                     const std::function<bool()>& cancelled,
                     std::atomic<std::uint64_t>* read_bytes = nullptr);

}  // namespace pome::hub
