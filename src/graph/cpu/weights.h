// A model's tensors as the kernels' views of them: nothing is copied or repacked.
#pragma once

#include <variant>

#include "graph/weight.h"
#include "kernels/decode/decode.h"
#include "kernels/dense/mode_matrix.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/qmm/qmm.h"

namespace pome::graph::cpu {

using StoredMatrix = std::variant<kernels::DenseMatrix, kernels::QuantizedMatrix, kernels::ModeMatrix>;

// Throws Error(unsupported) for element types and layouts without a kernel, Error(corrupt) where tensors of
// one weight contradict each other.
StoredMatrix stored_matrix(const Weight& weight);
kernels::DenseMatrix dense_matrix(const Tensor& tensor);
kernels::Parameters parameters(const Tensor& tensor);

// Row `row` as floats.
void decode_row(const StoredMatrix& matrix, int row, float* out);

// Bytes that a product reads per row of the matrix.
std::int64_t row_bytes(const StoredMatrix& matrix);

}  // namespace pome::graph::cpu
