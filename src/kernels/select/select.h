// What choosing a token needs of a row of logits: the largest, those near it, and their share of the whole.
// One pass over the row each; the few that survive are then sorted by whoever asked.
#pragma once

#include <cstdint>

namespace pome::kernels {

// The largest of count ≥ 1 floats; what is not a number is passed over, and -infinity is the answer where
// nothing else is left.
float largest(const float* x, std::int64_t count);

// Index of the largest, the first of equals; -1 where an element is infinity or not a number.
std::int64_t index_of_largest(const float* x, std::int64_t count);

// Writes the indices of all x[i] ≥ threshold, ascending, up to `capacity` of them, and returns how many there
// are (which may be more).
std::int64_t indices_at_least(const float* x, std::int64_t count, float threshold, std::int32_t* out,
                              std::int64_t capacity);

// Σ e^((x[i] - shift)·factor); terms below e^-69 count as nothing. Blocks of 4,096 are summed in 16 lanes,
// those by halves, the blocks in order and in float64: the same bits on every level.
double sum_exp(const float* x, std::int64_t count, float shift, float factor);

}  // namespace pome::kernels
