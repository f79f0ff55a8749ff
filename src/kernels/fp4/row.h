// The levels of fp4, one row of functions each.
#pragma once

#include <span>

#include "kernels/fp4/fp4.h"
#include "kernels/isa.h"

namespace pome::kernels::fp4 {

struct Row {
  Isa isa;
  // Row `row` of `to` from x.
  void (*quantize)(const float* x, const Activations& to, int row);
  // Columns [begin, end) of y for all rows of x.
  void (*multiply)(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin,
                   int end);
};

// Lowest level first.
std::span<const Row> rows();
const Row& active_row();

ActivationFormat format(Precision precision);

}  // namespace pome::kernels::fp4
