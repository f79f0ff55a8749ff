// The functions of each level (row.h says what they do), declared apart from the table so that the
// instruction-set files need no standard library.
#pragma once

#include "kernels/qmm/qmm.h"

namespace pome::kernels::qmm {

#define POME_QMM_LEVEL(level)                                                                           \
  namespace level {                                                                                     \
  void quantize(const float* x, const Activations& to, int row);                                        \
  void gemv(const QuantizedMatrix& w, const Activations& x, int row, float* y, int begin, int end);     \
  void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, \
            int end, void* scratch);                                                                    \
  }

POME_QMM_LEVEL(scalar)
POME_QMM_LEVEL(avx2)
POME_QMM_LEVEL(avxvnni)
POME_QMM_LEVEL(avx512vl)
POME_QMM_LEVEL(avx512vnni)
POME_QMM_LEVEL(neondot)
POME_QMM_LEVEL(neoni8mm)

namespace avx512vnni {
void quantize_units(const float* x, const Activations& to, int row);
}
namespace amx {
void gemm(const QuantizedMatrix& w, const Activations& x, float* y, std::int64_t y_stride, int begin, int end,
          void* scratch);
}

#undef POME_QMM_LEVEL

}  // namespace pome::kernels::qmm
