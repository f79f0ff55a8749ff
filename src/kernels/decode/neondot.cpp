#include "kernels/decode/levels.h"
#include "kernels/neon.h"

namespace pome::kernels::decode::neondot {

void floats(const void* data, Element type, std::int64_t first, int count, float* out) {
  int i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(out + i, load_floats(data, type, first + i));
  for (; i < count; ++i) out[i] = element(data, type, first + i);
}

}  // namespace pome::kernels::decode::neondot
