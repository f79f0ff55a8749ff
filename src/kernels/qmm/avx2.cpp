// AVX2 with FMA and F16C: products of words and their sum in two instructions.
#include "kernels/avx2.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/layout.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avx2 {
#include "kernels/qmm/impl256.h"
}  // namespace pome::kernels::qmm::avx2
