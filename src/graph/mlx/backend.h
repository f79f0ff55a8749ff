// The operations of Graph as MLX arrays. Names no MLX type: src/graph/mlx alone sees MLX's headers.
#pragma once

#include <memory>

#include "graph/backend.h"

namespace pome::graph {

// float32 on the CPU: the oracle that others are compared with.
std::unique_ptr<Backend> make_reference_backend();

// The same on Metal or CUDA; null where MLX was built without or finds no device.
std::unique_ptr<Backend> make_mlx_gpu_backend();

}  // namespace pome::graph
