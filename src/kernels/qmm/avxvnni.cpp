// AVX-VNNI, for processors without AVX-512 (Alder Lake and later): products of words and their sum in one
// instruction. avx512vl.cpp executes the same source where this file cannot run.
#include "kernels/avx2.h"
#include "kernels/qmm/gemm_impl.h"
#include "kernels/qmm/layout.h"
#include "kernels/qmm/levels.h"

namespace pome::kernels::qmm::avxvnni {
#include "kernels/qmm/impl256.h"
}  // namespace pome::kernels::qmm::avxvnni
