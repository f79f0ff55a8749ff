#include "kernels/elementwise/lanes_impl.h"

namespace pome::kernels::elementwise::avx512vnni {

const Functions functions = functions_here;

}  // namespace pome::kernels::elementwise::avx512vnni
