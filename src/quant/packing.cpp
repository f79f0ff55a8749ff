#include "quant/packing.h"

namespace pome::quant {

void unpack_codes(const std::byte* packed, int bits, std::int64_t columns, std::uint8_t* codes) {
  for (std::int64_t block = 0; block < columns / codes_per_block; ++block) {
    const std::uint64_t word = load_block(packed + block * bits, bits);
    for (int i = 0; i < codes_per_block; ++i) codes[block * codes_per_block + i] = block_code(word, bits, i);
  }
}

void pack_codes(const std::uint8_t* codes, int bits, std::int64_t columns, std::byte* packed) {
  for (std::int64_t block = 0; block < columns / codes_per_block; ++block) {
    std::uint64_t word = 0;
    for (int i = 0; i < codes_per_block; ++i) {
      word |= static_cast<std::uint64_t>(codes[block * codes_per_block + i]) << (i * bits);
    }
    std::memcpy(packed + block * bits, &word, static_cast<std::size_t>(bits));
  }
}

}  // namespace pome::quant
