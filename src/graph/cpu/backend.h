// Our own kernels on the processor.
#pragma once

#include <memory>

#include "graph/backend.h"

namespace pome::graph {

std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options);

}  // namespace pome::graph
