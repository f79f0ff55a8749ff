#include "kernels/select/lanes_impl.h"

namespace pome::kernels::select::scalar {

const Functions functions = functions_here;

}  // namespace pome::kernels::select::scalar
