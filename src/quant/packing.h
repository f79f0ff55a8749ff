// How MLX packs codes: each row is one little-endian stream of bits, code i at bits [i·b, i·b + b), cut into
// 32-bit words. Eight codes of b bits are therefore exactly b bytes, for every b: that block is the unit
// here. (MLX writes 3, 5 and 6 bits byte by byte and powers of two word by word; both come to this rule.)
//
// Everything works on plain pointers that need no alignment, allocates nothing and is thread-safe.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pome::quant {

static_assert(std::endian::native == std::endian::little, "packed words are little-endian");

constexpr int codes_per_block = 8;

constexpr std::int64_t packed_row_bytes(std::int64_t columns, int bits) {
  return columns / codes_per_block * bits;
}
constexpr std::int64_t packed_row_words(std::int64_t columns, int bits) { return columns * bits / 32; }

// The 8 codes of the block at packed (bits bytes, bits 1 to 8) as one number, code i at bits [i·b, i·b + b).
inline std::uint64_t load_block(const std::byte* packed, int bits) {
  std::uint64_t block = 0;
  std::memcpy(&block, packed, static_cast<std::size_t>(bits));
  return block;
}

constexpr std::uint8_t block_code(std::uint64_t block, int bits, int i) {
  return static_cast<std::uint8_t>(block >> (i * bits) & ((1u << bits) - 1));
}

// columns, a multiple of 8, codes from packed_row_bytes(columns, bits) bytes, and back. Codes must be below
// 2^bits.
void unpack_codes(const std::byte* packed, int bits, std::int64_t columns, std::uint8_t* codes);
void pack_codes(const std::uint8_t* codes, int bits, std::int64_t columns, std::byte* packed);

}  // namespace pome::quant
