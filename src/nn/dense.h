// Weights as plain floats, for the little that is computed outside a forward pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/weight.h"

namespace pome::nn {

// F32, F16 or BF16 elements, at any alignment. Throws Error(unsupported) for other types.
std::vector<float> to_floats(const formats::Tensor& tensor);

// A tensor that owns these elements, with name and file of `like`.
formats::Tensor float_tensor(const formats::Tensor& like, std::vector<std::int64_t> shape,
                             std::vector<float> values);

// A copy [E, b, a] of a stack [E, a, b], of the same type.
formats::Tensor transposed(const formats::Tensor& stack);

// Row `row` of a weight [out, in], decoded: scale · code + bias in float32 where it is quantized. `values`
// holds in_features().
void decode_row(const graph::Weight& weight, std::int64_t row, std::span<float> values);

}  // namespace pome::nn
