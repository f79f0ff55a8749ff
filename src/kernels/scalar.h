// What the scalar twins share: how codes and floats are stored.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/dtype.h"
#include "kernels/element.h"

namespace pome::kernels {

// Code k of a row's little-endian stream of bits.
inline int code_at(const std::uint8_t* row, int bits, std::int64_t k) {
  const std::int64_t bit = k * bits;
  const int shift = static_cast<int>(bit % 8);
  int value = row[bit / 8] >> shift;
  if (shift + bits > 8) value |= row[bit / 8 + 1] << (8 - shift);
  return value & ((1 << bits) - 1);
}

inline float element(const void* values, Element type, std::int64_t i) {
  const auto* bytes = static_cast<const std::uint8_t*>(values);
  if (type == Element::f32) {
    float value;
    std::memcpy(&value, bytes + 4 * i, 4);
    return value;
  }
  std::uint16_t half;
  std::memcpy(&half, bytes + 2 * i, 2);
  return type == Element::f16 ? f16_to_f32(half) : bf16_to_f32(half);
}

// 16 lanes by halves: l and l + 8, of those l and l + 4, then + 2, + 1.
inline float sum_by_halves(float (&lanes)[16]) {
  for (int half = 8; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

}  // namespace pome::kernels
