#include "quant/packing.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace pome::quant {
namespace {

// The rule of the header, bit by bit.
std::vector<std::byte> packed_by_definition(const std::vector<std::uint8_t>& codes, int bits) {
  std::vector<std::byte> packed(codes.size() * static_cast<std::size_t>(bits) / 8);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    for (int b = 0; b < bits; ++b) {
      const std::size_t at = i * static_cast<std::size_t>(bits) + static_cast<std::size_t>(b);
      if ((codes[i] >> b & 1) != 0) packed[at / 8] |= static_cast<std::byte>(1u << at % 8);
    }
  }
  return packed;
}

TEST(Packing, RoundTripsAtEveryWidthAndAddress) {
  std::mt19937_64 random(1);
  for (int bits = 1; bits <= 8; ++bits) {
    for (std::int64_t columns = 8; columns <= 264; columns += 8) {
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(columns));
      for (auto& code : codes) code = static_cast<std::uint8_t>(random() & ((1u << bits) - 1));
      const auto size = static_cast<std::size_t>(packed_row_bytes(columns, bits));
      const std::size_t shift = random() % 8;
      std::vector<std::byte> packed(size +
                                    shift);  // ends with the row, so that a sanitizer sees a read beyond
      pack_codes(codes.data(), bits, columns, packed.data() + shift);
      EXPECT_EQ(std::vector(packed.begin() + static_cast<std::ptrdiff_t>(shift), packed.end()),
                packed_by_definition(codes, bits));
      std::vector<std::uint8_t> again(codes.size());
      unpack_codes(packed.data() + shift, bits, columns, again.data());
      EXPECT_EQ(again, codes) << bits << " bits, " << columns << " columns";
    }
  }
}

TEST(Packing, CountsWords) {
  EXPECT_EQ(packed_row_words(4096, 4), 512);
  EXPECT_EQ(packed_row_words(96, 3), 9);
  EXPECT_EQ(packed_row_bytes(96, 3), 36);
}

}  // namespace
}  // namespace pome::quant
