// Mapped tensors as MLX arrays.
#pragma once

#include <unordered_map>

#include "formats/tensor.h"
#include "graph/mlx/mlx.h"

namespace pome::graph {

// On the CPU an array reads the tensor's own bytes, wherever they lie and however they are aligned; it keeps
// their owner alive and MLX never writes to it: arrays over foreign memory are not donated. GPUs take the
// bytes in place where the device can map them, else copy once. One array per tensor, made on first use.
// Used on the engine's thread only.
class WeightArrays {
 public:
  explicit WeightArrays(mx::Device device) : device_(device) {}

  // As stored. Throws Error(unsupported) for element types that MLX does not have.
  mx::array get(const formats::Tensor& tensor);

  // Raised or rounded to float32; free where it is float32 already.
  mx::array as_float(const formats::Tensor& tensor);

 private:
  mx::Device device_;
  std::unordered_map<const std::byte*, mx::array> arrays_;
};

}  // namespace pome::graph
