#define POME_NEON_LANES
#include "kernels/select/lanes_impl.h"

namespace pome::kernels::select::neondot {

const Functions functions = functions_here;

}  // namespace pome::kernels::select::neondot
