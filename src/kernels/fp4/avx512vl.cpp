// avxvnni.cpp with the instructions as AVX-512 encodes them, so that processors of either kind test one
// source.
#include "kernels/avx2.h"
#include "kernels/fp4/impl.h"

namespace pome::kernels::fp4::avx512vl {
#include "kernels/fp4/impl256.h"
}  // namespace pome::kernels::fp4::avx512vl
