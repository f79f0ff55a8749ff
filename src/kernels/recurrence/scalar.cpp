#include "kernels/recurrence/lanes_impl.h"

namespace pome::kernels::recurrence::scalar {

const Functions functions = functions_here;

}  // namespace pome::kernels::recurrence::scalar
