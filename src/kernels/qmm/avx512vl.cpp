// avxvnni.cpp with the instructions as AVX-512 encodes them, so that processors of either kind test one
// source.
#include "kernels/avx2.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/layout.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avx512vl {
#include "kernels/qmm/impl256.h"
}  // namespace pome::kernels::qmm::avx512vl
