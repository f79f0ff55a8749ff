#include "kernels/decode/decode.h"

#include "kernels/decode/levels.h"
#include "kernels/decode/row.h"

namespace pome::kernels {
namespace decode {
namespace {

constexpr Row table[] = {
    {Isa::scalar, scalar::affine, scalar::floats, scalar::e2m1, scalar::e4m3},
#if defined(__x86_64__)
    {Isa::avx2, avx2::affine, avx2::floats, avx2::e2m1, avx2::e4m3},
    {Isa::avx512vnni, avx512vnni::affine, avx512vnni::floats, avx512vnni::e2m1, avx512vnni::e4m3},
#elif defined(__aarch64__)
    {Isa::neondot, neondot::affine, neondot::floats, neondot::e2m1, neondot::e4m3},
#endif
};

}  // namespace

std::span<const Row> rows() { return table; }

const Row& active_row() {
  static const Row& row = choose_row(rows(), active_isa());
  return row;
}

}  // namespace decode

void decode_row(const QuantizedMatrix& matrix, int row, int begin, int count, float* out) {
  decode::active_row().affine(matrix, row, begin, count, out);
}

void decode_row(const DenseMatrix& matrix, int row, int begin, int count, float* out) {
  decode::active_row().floats(matrix.data, matrix.type, std::int64_t{row} * matrix.columns + begin, count,
                              out);
}

}  // namespace pome::kernels
