// A model's tensors as the kernels' views of them: nothing is copied or repacked.
#pragma once

#include <array>
#include <variant>

#include "base/thread_pool.h"
#include "graph/experts.h"
#include "kernels/blockfloat/blockfloat.h"
#include "kernels/decode/decode.h"
#include "kernels/dense/mode_matrix.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/fp4/fp4.h"
#include "kernels/qmm/qmm.h"

namespace pome::graph::cpu {

using StoredMatrix = std::variant<kernels::DenseMatrix, kernels::QuantizedMatrix, kernels::ModeMatrix>;

// Throws Error(unsupported) for element types and layouts without a kernel, Error(corrupt) where tensors of
// one weight contradict each other.
StoredMatrix stored_matrix(const Weight& weight);
kernels::DenseMatrix dense_matrix(const Tensor& tensor);
kernels::Parameters parameters(const Tensor& tensor);

// Rows [first, first + count) of a matrix, or of the matrices that follow it in a stack.
StoredMatrix rows_of(const StoredMatrix& matrix, std::int64_t first, int count);

// One matrix per expert.
class StoredExperts {
 public:
  StoredExperts() = default;
  // Throws as stored_matrix does, and Error(unsupported) where experts are quantized in several ways.
  explicit StoredExperts(const ExpertMatrices& matrices);

  bool exists() const { return !matrices_.empty(); }
  const StoredMatrix& first() const { return matrices_.front(); }
  StoredMatrix at(int expert) const;
  int rows() const { return rows_; }  // of each
  const std::optional<kernels::Parameters>& bias() const { return bias_; }

 private:
  std::vector<StoredMatrix> matrices_;
  int rows_ = 0;
  std::optional<kernels::Parameters> bias_;  // [E, rows]
};

// y += factor · elements [begin, begin + count) of a stored row.
void add_stored(const kernels::DenseMatrix& stored, int row, int begin, int count, float factor, float* y);

// Columns [begin, end) of y = x·Wᵀ, where x is quantized as activation_format() of the matrix wants it.
void multiply(const StoredMatrix& matrix, const kernels::Activations& x, float* y, std::int64_t y_stride,
              int begin, int end);

// The same for `rows` rows of floats.
void multiply(const StoredMatrix& matrix, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end);

// Row `row` as floats.
void decode_row(const StoredMatrix& matrix, int row, float* out);

// What a product by rows [begin, end) reads: codes, scales and biases.
Stretches stretches(const StoredMatrix& matrix, int begin, int end);

// Bytes that a product reads per row of the matrix.
std::int64_t row_bytes(const StoredMatrix& matrix);

}  // namespace pome::graph::cpu
