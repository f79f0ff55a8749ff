#include "kernels/fp4/fp4.h"

#include "kernels/fp4/levels.h"
#include "kernels/fp4/row.h"

namespace pome::kernels {
namespace fp4 {
namespace {

constexpr Row table_of_levels[] = {
    {Isa::scalar, scalar::quantize, scalar::multiply},
#if defined(__x86_64__)
    {Isa::avx2, avx2::quantize, avx2::multiply},
    {Isa::avxvnni, avxvnni::quantize, avxvnni::multiply},
    {Isa::avx512vl, avx512vl::quantize, avx512vl::multiply},
    {Isa::avx512vnni, avx512vnni::quantize, avx512vnni::multiply},
#elif defined(__aarch64__)
    {Isa::neondot, scalar::quantize, neondot::multiply},
#endif
};

}  // namespace

std::span<const Row> rows() { return table_of_levels; }

const Row& active_row() {
  static const Row& row = choose_row(rows(), active_isa());
  return row;
}

ActivationFormat format(Precision precision) {
  const bool fast = precision == Precision::fast;
  return {chunk / 16, 2, fast ? 127 : 32639, fast ? Storage::fp4_bytes : Storage::fp4_planes};
}

}  // namespace fp4

std::optional<Fp4Matrix> fp4_view(const ModeMatrix& matrix) {
  const bool mx = matrix.mode->name == "mxfp4" && matrix.group == 32;
  const bool nv = matrix.mode->name == "nvfp4" && matrix.group == 16;
  if (!mx && !nv) return std::nullopt;
  return Fp4Matrix{reinterpret_cast<const std::uint8_t*>(matrix.codes),
                   reinterpret_cast<const std::uint8_t*>(matrix.scales), matrix.group, matrix.rows,
                   matrix.columns};
}

ActivationFormat activation_format(const Fp4Matrix& /*w*/, Precision precision) {
  return fp4::format(precision);
}

void multiply(const Fp4Matrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end) {
  fp4::active_row().multiply(w, x, y, y_stride, begin, end);
}

}  // namespace pome::kernels
