// Random numbers that depend on the request alone.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11) is a
// function of a key and a counter. The key is the request's seed and the counter the index of the generated
// token, so a draw depends neither on what else runs nor on how many draws came before it.
#pragma once

#include <array>
#include <cstdint>

namespace pome::engine {

inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// What a number is drawn for; each use at one token has a number of its own.
enum class Draw : std::uint32_t { token, xtc };

// Uniform in [0, 1), a multiple of 2^-53.
inline double uniform(std::uint64_t seed, std::uint64_t index, Draw use) {
  const auto word = [](std::uint64_t x, int i) { return static_cast<std::uint32_t>(x >> (32 * i)); };
  const auto bits = philox4x32({word(index, 0), word(index, 1), static_cast<std::uint32_t>(use), 0},
                               {word(seed, 0), word(seed, 1)});
  const std::uint64_t high = (std::uint64_t{bits[1]} << 32) | bits[0];
  return static_cast<double>(high >> 11) * 0x1p-53;
}

}  // namespace pome::engine
