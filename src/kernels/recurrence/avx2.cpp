#include "kernels/recurrence/lanes_impl.h"

namespace pome::kernels::recurrence::avx2 {

const Functions functions = functions_here;

}  // namespace pome::kernels::recurrence::avx2
