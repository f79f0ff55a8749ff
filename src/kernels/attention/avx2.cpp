#include "kernels/dense/levels.h"

namespace pome::kernels::attention {
namespace {
constexpr auto add_panel = dense::avx2::add_panel;
}
}  // namespace pome::kernels::attention

#include "kernels/attention/lanes_impl.h"

namespace pome::kernels::attention::avx2 {

const Functions functions = functions_here;

}  // namespace pome::kernels::attention::avx2
