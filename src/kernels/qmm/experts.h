// Products with a stack of matrices, one per expert, for rows that are grouped by expert: rows
// [offsets[e], offsets[e + 1]) of x and y belong to expert e. A row has the bits that multiply() would give
// it.
#pragma once

#include <cstdint>

#include "kernels/qmm/qmm.h"

namespace pome {
class ThreadPool;
}

namespace pome::kernels {

// The matrix of one expert of a stack [experts, rows, columns]; `stack` views the first.
QuantizedMatrix expert(const QuantizedMatrix& stack, int index);

// Rows [begin, end) of quantized activations; a view.
Activations slice(const Activations& x, int begin, int end);

// Copies row rows[i] of `from` to row i of `to`, for all rows of `to`; both have the same format and columns.
void gather(const Activations& from, const std::int32_t* rows, const Activations& to);

// y[r] = x[r]·W[expert of r]ᵀ. offsets: [experts + 1], ascending from 0 to x.rows. y_stride floats lie
// between rows of y.
void multiply_experts(ThreadPool& pool, const QuantizedMatrix& stack, int experts,
                      const std::int32_t* offsets, const Activations& x, float* y, std::int64_t y_stride);

}  // namespace pome::kernels
