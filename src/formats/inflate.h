// DEFLATE streams (RFC 1951), as zip archives hold them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pome::formats {

// Whether `packed` is one whole stream that fills `out` exactly.
bool inflate(std::span<const std::byte> packed, std::span<std::byte> out);

// The checksum that zip archives keep of what is unpacked.
std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace pome::formats
