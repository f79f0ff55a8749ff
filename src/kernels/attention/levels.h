// The levels of attention, for the choice between them and for tests.
#pragma once

#include <span>

#include "kernels/attention/functions.h"
#include "kernels/isa.h"

namespace pome::kernels::attention {

struct Row {
  Isa isa;
  const Functions* functions;
};

// Lowest level first.
std::span<const Row> rows();

// attend() with the level given.
void attend(const Functions& functions, const AttentionSpec& spec, const KeyValues& cache,
            const AttentionRows& rows, int unit);

}  // namespace pome::kernels::attention
