// The levels of select: one row of functions each. No standard library, since the instruction-set files
// include it.
#pragma once

#include "kernels/select/select.h"

namespace pome::kernels::select {

// As in select.h.
struct Functions {
  float (*largest)(const float* x, std::int64_t count);
  std::int64_t (*index_of_largest)(const float* x, std::int64_t count);
  std::int64_t (*indices_at_least)(const float* x, std::int64_t count, float threshold, std::int32_t* out,
                                   std::int64_t capacity);
  double (*sum_exp)(const float* x, std::int64_t count, float shift, float factor);
};

namespace scalar {
extern const Functions functions;
}
namespace avx2 {
extern const Functions functions;
}
namespace avx512vnni {
extern const Functions functions;
}
namespace neondot {
extern const Functions functions;
}

}  // namespace pome::kernels::select
