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

// The same of any elements.
template <class T>
formats::Tensor owned_tensor(const formats::Tensor& like, Dtype dtype, std::vector<std::int64_t> shape,
                             std::vector<T> values) {
  auto owned = std::make_shared<std::vector<T>>(std::move(values));
  formats::Tensor tensor;
  tensor.name = like.name;
  tensor.file = like.file;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.size_bytes = owned->size() * sizeof(T);
  tensor.data = reinterpret_cast<const std::byte*>(owned->data());
  tensor.owner = std::move(owned);
  return tensor;
}

// Row `row` of a weight [out, in], decoded: scale · code + bias in float32 where it is quantized. `values`
// holds in_features().
void decode_row(const graph::Weight& weight, std::int64_t row, std::span<float> values);

}  // namespace pome::nn
