// Products for levels that walk W row by row: a row becomes words, which then meet every row of x.
//
// Level: largest_exponent<S>(p), of exponent_weights weights, as float32 has it; align<S>(p, multiplier,
// words), a unit of weights as words; dot(words, scales, q, d, units), the product with one row of x.
#pragma once

#include "kernels/blockfloat/levels.h"

namespace pome::kernels::blockfloat {
namespace {

// Unit `u` of a row of x; with zeros behind its end, in `part`, if that is within the unit.
inline const float* unit_of(const float* x, int columns, int u, float (&part)[unit]) {
  const float* from = x + std::int64_t{u} * unit;
  const int count = columns - u * unit;
  if (count >= unit) return from;
  __builtin_memset(part, 0, sizeof part);
  if (count > 0) __builtin_memcpy(part, from, static_cast<unsigned>(count) * sizeof(float));
  return part;
}

template <class Level, Stored S>
void align_row(const BlockFloatMatrix& w, int n, int units, std::int16_t* words, float* scales) {
  constexpr int bytes = exponent_weights * stored_bytes(S);
  const std::uint8_t* row = w.data + std::int64_t{n} * w.columns * stored_bytes(S);
  for (int k = 0; k < units * unit; k += exponent_weights) {
    const std::uint8_t* p = row + std::int64_t{k} * stored_bytes(S);
    std::uint8_t part[bytes];
    const int count = w.columns - k;
    if (count < exponent_weights) {
      __builtin_memset(part, 0, bytes);
      if (count > 0) __builtin_memcpy(part, p, static_cast<unsigned>(count * stored_bytes(S)));
      p = part;
    }
    const int e = Level::template largest_exponent<S>(p);
    const float multiplier = e == 255 ? 0 : __builtin_bit_cast(float, multiplier_bits(e));
    const float meaning = e == 255 ? __builtin_nanf("") : __builtin_bit_cast(float, meaning_bits(e));
    for (int i = 0; i < exponent_units; ++i) {
      const int u = k / unit + i;
      Level::template align<S>(p + i * unit * stored_bytes(S), multiplier,
                               words + std::int64_t{place_of(u, units)} * unit);
      scales[u] = meaning;
      if constexpr (S == Stored::e4m3) {
        const unsigned code = u * unit < w.columns ? w.scales[std::int64_t{n} * (w.columns / unit) + u] : 0;
        scales[u] *= __builtin_bit_cast(float, code << 23);
      }
    }
  }
}

template <class Level>
void multiply_rows(const BlockFloatMatrix& w, const Activations& x, float* y, std::int64_t y_stride,
                   int begin, int end, void* scratch) {
  auto* words = static_cast<std::int16_t*>(scratch);
  auto* scales = reinterpret_cast<float*>(words + std::int64_t{x.units} * unit);
  for (int n = begin; n < end; ++n) {
    switch (w.stored) {
      case Stored::f16:
        align_row<Level, Stored::f16>(w, n, x.units, words, scales);
        break;
      case Stored::bf16:
        align_row<Level, Stored::bf16>(w, n, x.units, words, scales);
        break;
      case Stored::e4m3:
        align_row<Level, Stored::e4m3>(w, n, x.units, words, scales);
        break;
    }
    for (int m = 0; m < x.rows; ++m) {
      const auto* q = static_cast<const std::int16_t*>(x.q) + m * x.stride;
      y[m * y_stride + n] = Level::dot(words, scales, q, x.scale + std::int64_t{m} * x.units, x.units);
    }
  }
}

}  // namespace
}  // namespace pome::kernels::blockfloat
