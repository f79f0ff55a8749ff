// Element types of tensors, spelled as safetensors spells them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pome {

enum class Dtype : std::uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  u64,
  i64,
  f16,
  bf16,
  f32,
  f64,
  c64,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  f4,
  f6_e2m3,
  f6_e3m2,
};

// Bits of one element; below 8 for f4 and f6, whose tensors fill whole bytes in total.
int dtype_bits(Dtype dtype);

// "BF16", "F8_E4M3", …
std::string_view dtype_name(Dtype dtype);

std::optional<Dtype> dtype_from_name(std::string_view name);

// Scalar conversions, round to nearest even; NaN stays NaN.
float f16_to_f32(std::uint16_t bits);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
std::uint16_t f32_to_bf16(float value);

}  // namespace pome
