#include "kernels/select/lanes_impl.h"

namespace pome::kernels::select::avx2 {

const Functions functions = functions_here;

}  // namespace pome::kernels::select::avx2
