// What every level of select has. No standard library, since the instruction-set files include it.
#pragma once

#include "kernels/lane_levels.h"
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

POME_FOR_LANE_LEVELS(POME_LANE_FUNCTIONS)

}  // namespace pome::kernels::select
