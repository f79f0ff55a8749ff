#include "kernels/dense/mode_matrix.h"

#include "quant/packing.h"

namespace pome::kernels {

void decode_row(const ModeMatrix& matrix, int row, int begin, int count, float* out) {
  const std::int64_t row_bytes = quant::packed_row_bytes(matrix.columns, matrix.bits);
  const std::int64_t group = std::int64_t{row} * (matrix.columns / matrix.group) + begin / matrix.group;
  const std::int64_t scale = group * dtype_bits(matrix.scale_dtype) / 8;
  quant::Row part;
  part.codes = matrix.codes + row * row_bytes + quant::packed_row_bytes(begin, matrix.bits);
  part.scales = matrix.scales + scale;
  part.biases = matrix.biases == nullptr ? nullptr : matrix.biases + scale;
  part.scale_dtype = matrix.scale_dtype;
  part.columns = count;
  part.bits = matrix.bits;
  part.group_size = matrix.group;
  matrix.mode->decode_row(part, out);
}

DecodedMatrix decoded(const ModeMatrix& matrix) {
  const auto decode = [](const void* from, int row, int begin, int count, float* out) {
    decode_row(*static_cast<const ModeMatrix*>(from), row, begin, count, out);
  };
  return {decode, &matrix, matrix.rows, matrix.columns};
}

}  // namespace pome::kernels
