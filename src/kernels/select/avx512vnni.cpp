#include "kernels/select/lanes_impl.h"

namespace pome::kernels::select::avx512vnni {

const Functions functions = functions_here;

}  // namespace pome::kernels::select::avx512vnni
