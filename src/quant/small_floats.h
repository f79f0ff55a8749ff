// The numbers of the OCP microscaling formats (MX v1.0, section 5.3), with MLX's choices where that leaves
// some.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace pome::quant {

// 4 bits: sign, 2 of exponent, 1 of mantissa.
constexpr std::array<float, 16> e2m1_values{0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                            -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

// 8 bits: sign, 4 of exponent (bias 7), 3 of mantissa; no infinities, all ones is NaN.
constexpr float e4m3_to_f32(std::uint8_t code) {
  const std::uint32_t sign = static_cast<std::uint32_t>(code & 0x80u) << 24;
  const std::uint32_t magnitude = code & 0x7fu;
  if (magnitude == 0x7f) return std::numeric_limits<float>::quiet_NaN();
  if (magnitude < 8) {  // zero and subnormals: mantissa · 2⁻⁹
    const float value = static_cast<float>(magnitude) * 0x1p-9f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
  }
  return std::bit_cast<float>(sign | ((magnitude << 20) + ((127u - 7u) << 23)));
}

// 8 bits of exponent: 2^(code − 127), a subnormal float for 0. 255 is infinity as in MLX; OCP has NaN there.
constexpr float e8m0_to_f32(std::uint8_t code) {
  return std::bit_cast<float>(code == 0 ? 0x0040'0000u : static_cast<std::uint32_t>(code) << 23);
}

}  // namespace pome::quant
