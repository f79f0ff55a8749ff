// What every backend refuses while a model is recorded: operands that do not fit. Errors are internal, since
// families have checked the shapes of their tensors before.
#pragma once

#include "graph/graph.h"

namespace pome::graph {

void check_norm(const Norm& norm, int width);
void check_parameter(const Tensor& parameter, int width);
void check_pair(int rows_a, int width_a, int rows_b, int width_b);
void check_columns(int width, int begin, int count, int run);

}  // namespace pome::graph
