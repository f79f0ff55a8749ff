// The levels of recurrence, for the choice between them and for tests.
#pragma once

#include <span>

#include "kernels/isa.h"
#include "kernels/recurrence/functions.h"

namespace pome::kernels::recurrence {

struct Row {
  Isa isa;
  const Functions* functions;
};

// Lowest level first.
std::span<const Row> rows();

}  // namespace pome::kernels::recurrence
