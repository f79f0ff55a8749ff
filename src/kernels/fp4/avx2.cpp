// AVX2: products of bytes in two steps of 16 bits.
#include "kernels/avx2.h"
#include "kernels/fp4/impl.h"

namespace pome::kernels::fp4::avx2 {
#include "kernels/fp4/impl256.h"
}  // namespace pome::kernels::fp4::avx2
