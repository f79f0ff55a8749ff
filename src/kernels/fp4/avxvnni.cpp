// AVX-VNNI, for processors without AVX-512 (Alder Lake and later): products of bytes and their sum in one
// instruction. avx512vl.cpp executes the same source where this file cannot run.
#include "kernels/avx2.h"
#include "kernels/fp4/impl.h"

namespace pome::kernels::fp4::avxvnni {
#include "kernels/fp4/impl256.h"
}  // namespace pome::kernels::fp4::avxvnni
