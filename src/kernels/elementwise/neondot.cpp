#define POME_NEON_LANES
#include "kernels/elementwise/lanes_impl.h"

namespace pome::kernels::elementwise::neondot {

const Functions functions = functions_here;

}  // namespace pome::kernels::elementwise::neondot
