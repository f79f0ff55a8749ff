#include "kernels/dense/levels.h"

namespace pome::kernels::attention {
namespace {
constexpr auto add_panel = dense::neondot::add_panel;
}
}  // namespace pome::kernels::attention

#define POME_NEON_LANES
#include "kernels/attention/lanes_impl.h"

namespace pome::kernels::attention::neondot {

const Functions functions = functions_here;

}  // namespace pome::kernels::attention::neondot
