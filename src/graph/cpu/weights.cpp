#include "graph/cpu/weights.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "quant/mode.h"
#include "quant/packing.h"

namespace pome::graph::cpu {
namespace {

using kernels::Element;

Element element_of(const Tensor& tensor) {
  switch (tensor.dtype) {
    case Dtype::f16:
      return Element::f16;
    case Dtype::bf16:
      return Element::bf16;
    case Dtype::f32:
      return Element::f32;
    default:
      fail(ErrorKind::unsupported, "{}: tensor \"{}\" has elements of type {}, expected F16, BF16 or F32",
           tensor.file, tensor.name, dtype_name(tensor.dtype));
  }
}

int extent(const Tensor& tensor, std::int64_t n) {
  if (n < 0 || n > std::numeric_limits<int>::max()) {
    fail(ErrorKind::unsupported, "{}: tensor \"{}\" of shape {} has more than 2^31 - 1 rows or columns",
         tensor.file, tensor.name, tensor.shape_text());
  }
  return static_cast<int>(n);
}

void check_parts(const Weight& weight, const quant::Mode& mode) {
  const auto& [name, bits, group] = *weight.quantization;
  const std::vector<std::int64_t> groups{weight.out_features(), weight.in_features() / group};
  const auto fits = [&](const std::optional<Tensor>& part) {
    return part && part->shape == groups &&
           std::find(mode.scale_dtypes.begin(), mode.scale_dtypes.end(), part->dtype) !=
               mode.scale_dtypes.end();
  };
  if (weight.in_features() % group != 0 || !fits(weight.scales) ||
      (mode.has_biases && !fits(weight.biases))) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" {} has scales {}, expected {} and {} in groups of {}",
         weight.weight.file, weight.weight.name, weight.weight.shape_text(),
         weight.scales ? weight.scales->shape_text() : "of no kind", formats::shape_text(groups), name,
         group);
  }
}

}  // namespace

kernels::DenseMatrix dense_matrix(const Tensor& tensor) {
  return {tensor.data, element_of(tensor), extent(tensor, tensor.shape.at(0)),
          extent(tensor, tensor.shape.at(1))};
}

kernels::Parameters parameters(const Tensor& tensor) { return {tensor.data, element_of(tensor)}; }

StoredMatrix stored_matrix(const Weight& weight) {
  if (!weight.quantization) return dense_matrix(weight.weight);
  const auto& [name, bits, group] = *weight.quantization;
  const quant::Mode* mode = quant::find_mode(name);
  if (mode == nullptr || bits <= 0 || group <= 0) {
    fail(ErrorKind::unsupported, "{}: quantization mode \"{}\" with {} bits in groups of {} is unknown",
         weight.weight.name, name, bits, group);
  }
  check_parts(weight, *mode);
  const int rows = extent(weight.weight, weight.out_features());
  const int columns = extent(weight.weight, weight.in_features());
  if (name == "affine") {
    kernels::QuantizedMatrix matrix;
    matrix.codes = reinterpret_cast<const std::uint8_t*>(weight.weight.data);
    matrix.scales = weight.scales->data;
    matrix.biases = weight.biases->data;
    matrix.scale_type = element_of(*weight.scales);
    if (weight.biases->dtype != weight.scales->dtype) {
      fail(ErrorKind::unsupported, "{}: tensor \"{}\" is {} beside scales of {}", weight.biases->file,
           weight.biases->name, dtype_name(weight.biases->dtype), dtype_name(weight.scales->dtype));
    }
    matrix.bits = bits;
    matrix.group = group;
    matrix.rows = rows;
    matrix.columns = columns;
    check(matrix);
    return matrix;
  }
  kernels::ModeMatrix matrix;
  matrix.mode = mode;
  matrix.codes = weight.weight.data;
  matrix.scales = weight.scales->data;
  matrix.biases = mode->has_biases ? weight.biases->data : nullptr;
  matrix.scale_dtype = weight.scales->dtype;
  matrix.bits = bits;
  matrix.group = group;
  matrix.rows = rows;
  matrix.columns = columns;
  return matrix;
}

namespace {

kernels::DenseMatrix from_row(kernels::DenseMatrix matrix, std::int64_t first) {
  matrix.data = static_cast<const std::byte*>(matrix.data) +
                first * matrix.columns * kernels::element_bytes(matrix.type);
  return matrix;
}

kernels::QuantizedMatrix from_row(kernels::QuantizedMatrix matrix, std::int64_t first) {
  const std::int64_t scales =
      first * (matrix.columns / matrix.group) * kernels::element_bytes(matrix.scale_type);
  matrix.codes += first * quant::packed_row_bytes(matrix.columns, matrix.bits);
  matrix.scales = static_cast<const std::byte*>(matrix.scales) + scales;
  matrix.biases = static_cast<const std::byte*>(matrix.biases) + scales;
  return matrix;
}

kernels::ModeMatrix from_row(kernels::ModeMatrix matrix, std::int64_t first) {
  const std::int64_t scales = first * (matrix.columns / matrix.group) * dtype_bits(matrix.scale_dtype) / 8;
  matrix.codes += first * quant::packed_row_bytes(matrix.columns, matrix.bits);
  matrix.scales += scales;
  if (matrix.biases != nullptr) matrix.biases += scales;
  return matrix;
}

bool same_kind(const StoredMatrix& a, const StoredMatrix& b) {
  const auto* first = std::get_if<kernels::QuantizedMatrix>(&a);
  const auto* second = std::get_if<kernels::QuantizedMatrix>(&b);
  if (const auto* dense = std::get_if<kernels::DenseMatrix>(&a)) {
    const auto* other = std::get_if<kernels::DenseMatrix>(&b);
    return other != nullptr && other->type == dense->type;
  }
  if (first == nullptr || second == nullptr) return a.index() == b.index();
  return first->bits == second->bits && first->group == second->group;
}

}  // namespace

StoredMatrix rows_of(const StoredMatrix& matrix, std::int64_t first, int count) {
  return std::visit(
      [&](const auto& m) {
        auto part = from_row(m, first);
        part.rows = count;
        return StoredMatrix(part);
      },
      matrix);
}

StoredExperts::StoredExperts(const ExpertMatrices& matrices) {
  if (!matrices.exists()) return;
  if (matrices.parts[0].weight.shape.size() == 3) {
    matrices_.push_back(stored_matrix(stacked_weight(matrices.parts[0], 0)));
  } else {
    for (const Weight& weight : matrices.parts) {
      matrices_.push_back(stored_matrix(weight));
      if (same_kind(matrices_.back(), matrices_.front())) continue;
      fail(ErrorKind::unsupported, "{}: tensor \"{}\" is quantized otherwise than the experts before it",
           weight.weight.file, weight.weight.name);
    }
  }
  rows_ = std::visit([](const auto& m) { return m.rows; }, matrices_.front());
  if (matrices.bias) bias_ = parameters(*matrices.bias);
}

StoredMatrix StoredExperts::at(int expert) const {
  if (matrices_.size() > 1) return matrices_[static_cast<std::size_t>(expert)];
  return rows_of(matrices_.front(), std::int64_t{expert} * rows_, rows_);
}

void add_stored(const kernels::DenseMatrix& stored, int row, int begin, int count, float factor, float* y) {
  constexpr int piece = 256;  // decoded at once
  float values[piece];
  for (int i = 0; i < count; i += piece) {
    const int n = std::min(piece, count - i);
    kernels::decode_row(stored, row, begin + i, n, values);
    for (int k = 0; k < n; ++k) y[i + k] += factor * values[k];
  }
}

void multiply(const StoredMatrix& matrix, const kernels::Activations& x, float* y, std::int64_t y_stride,
              int begin, int end) {
  if (const auto* affine = std::get_if<kernels::QuantizedMatrix>(&matrix)) {
    return kernels::multiply(*affine, x, y, y_stride, begin, end);
  }
  if (const auto* dense = std::get_if<kernels::DenseMatrix>(&matrix)) {
    return kernels::multiply(*dense, x, y, y_stride, begin, end);
  }
  const auto& other = std::get<kernels::ModeMatrix>(matrix);
  if (const auto fp4 = kernels::fp4_view(other)) {
    return kernels::multiply(*fp4, x, y, y_stride, begin, end);
  }
  kernels::multiply(*kernels::block_float_view(other), x, y, y_stride, begin, end);
}

void multiply(const StoredMatrix& matrix, const float* x, std::int64_t x_stride, int rows, float* y,
              std::int64_t y_stride, int begin, int end) {
  if (const auto* dense = std::get_if<kernels::DenseMatrix>(&matrix)) {
    return kernels::multiply(*dense, x, x_stride, rows, y, y_stride, begin, end);
  }
  const auto decoded_by = [&](const auto& stored) {
    kernels::multiply(kernels::decoded(stored), x, x_stride, rows, y, y_stride, begin, end);
  };
  std::visit(decoded_by, matrix);
}

void decode_row(const StoredMatrix& matrix, int row, float* out) {
  std::visit([&](const auto& m) { kernels::decode_row(m, row, 0, m.columns, out); }, matrix);
}

Stretches stretches(const StoredMatrix& matrix, int begin, int end) {
  const auto stretch = [&](const void* data, std::int64_t bytes_per_row) {
    return Stretch{data == nullptr ? nullptr : static_cast<const std::byte*>(data) + begin * bytes_per_row,
                   data == nullptr ? 0 : static_cast<std::size_t>((end - begin) * bytes_per_row)};
  };
  if (const auto* dense = std::get_if<kernels::DenseMatrix>(&matrix)) {
    return {stretch(dense->data, std::int64_t{dense->columns} * kernels::element_bytes(dense->type))};
  }
  if (const auto* affine = std::get_if<kernels::QuantizedMatrix>(&matrix)) {
    const std::int64_t scales =
        std::int64_t{affine->columns / affine->group} * kernels::element_bytes(affine->scale_type);
    return {stretch(affine->codes, quant::packed_row_bytes(affine->columns, affine->bits)),
            stretch(affine->scales, scales), stretch(affine->biases, scales)};
  }
  const auto& other = std::get<kernels::ModeMatrix>(matrix);
  return {stretch(other.codes, quant::packed_row_bytes(other.columns, other.bits))};
}

std::int64_t row_bytes(const StoredMatrix& matrix) {
  if (const auto* dense = std::get_if<kernels::DenseMatrix>(&matrix)) {
    return std::int64_t{dense->columns} * kernels::element_bytes(dense->type);
  }
  if (const auto* affine = std::get_if<kernels::QuantizedMatrix>(&matrix)) {
    return quant::packed_row_bytes(affine->columns, affine->bits) +
           std::int64_t{2} * affine->columns / affine->group * kernels::element_bytes(affine->scale_type);
  }
  const auto& other = std::get<kernels::ModeMatrix>(matrix);
  return quant::packed_row_bytes(other.columns, other.bits);
}

}  // namespace pome::graph::cpu
