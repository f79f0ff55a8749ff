// The levels of elementwise, for the choice between them and for tests.
#pragma once

#include <span>

#include "kernels/elementwise/functions.h"
#include "kernels/isa.h"

namespace pome::kernels::elementwise {

struct Row {
  Isa isa;
  const Functions* functions;
};

// Lowest level first.
std::span<const Row> rows();

}  // namespace pome::kernels::elementwise
