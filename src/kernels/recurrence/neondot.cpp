#define POME_NEON_LANES
#include "kernels/recurrence/lanes_impl.h"

namespace pome::kernels::recurrence::neondot {

const Functions functions = functions_here;

}  // namespace pome::kernels::recurrence::neondot
