// Affine: weight ≈ scale · code + bias, a scale and a bias per group. Scales may be negative.
#pragma once

#include <cstdint>

#include "quant/mode.h"

namespace pome::quant {

extern const Mode affine;

// Codes, scales and biases of a row of columns floats, as MLX's CPU backend chooses them (mlx/backend/cpu/
// quantized.cpp): min-max, the edge of larger magnitude met exactly, zero representable. columns is a
// multiple of group_size; codes has columns elements, scales and biases one per group. Codes follow from the
// scales and biases given here; whoever stores those rounded (MLX does) keeps the codes. A weight that is not
// finite gives code 0 in its group, never undefined behaviour. Allocates nothing; thread-safe.
void affine_quantize_row(const float* weights, std::int64_t columns, int bits, int group_size,
                         std::uint8_t* codes, float* scales, float* biases);

}  // namespace pome::quant
