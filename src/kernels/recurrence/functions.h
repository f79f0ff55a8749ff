// What every level of recurrence has. No standard library, since the instruction-set files include it.
#pragma once

#include "kernels/lane_levels.h"
#include "kernels/recurrence/recurrence.h"

namespace pome::kernels::recurrence {

// Value rows of a unit: their states stay in the nearest cache while the rows of a step go by.
inline constexpr int unit_values = 16;

// As in recurrence.h.
struct Functions {
  void (*convolve)(const ConvolutionSpec& spec, const ConvolutionRows& rows, const float* state, float* next,
                   int begin, int end);
  void (*recur)(const RecurrenceSpec& spec, const RecurrenceRows& rows, const float* state, float* next,
                int unit);
  void (*decay)(const float* dt, const Parameters& a_log, float* out, int count);
};

POME_FOR_LANE_LEVELS(POME_LANE_FUNCTIONS)

}  // namespace pome::kernels::recurrence
