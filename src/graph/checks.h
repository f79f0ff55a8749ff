// What every backend refuses while a model is recorded: operands that do not fit. Errors are internal, since
// families have checked the shapes of their tensors before.
#pragma once

#include <array>

#include "graph/cache.h"
#include "graph/graph.h"
#include "kernels/route/route.h"

namespace pome::graph {

void check_norm(const Norm& norm, int width);
void check_parameter(const Tensor& parameter, int width);
void check_pair(int rows_a, int width_a, int rows_b, int width_b);
void check_convolution(const Convolution& spec, int width, const Tensor& weight, const Tensor* bias);
// widths: of q, k, v, decay and beta.
void check_recurrence(const Recurrence& spec, const std::array<int, 5>& widths, const Tensor* skip);
// Widths of q, k and v; 0 for those that are left out.
void check_attention(const Attention& spec, const CachePlan& plan, int q, int k, int v);
// Without what the routing points to.
kernels::RouteSpec route_spec(const Routing& routing);
void check_columns(int width, int begin, int count, int run);

}  // namespace pome::graph
