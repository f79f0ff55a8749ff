// The levels of select, for the choice between them and for tests.
#pragma once

#include <span>

#include "kernels/isa.h"
#include "kernels/select/functions.h"

namespace pome::kernels::select {

struct Row {
  Isa isa;
  const Functions* functions;
};

// Lowest level first.
std::span<const Row> rows();

}  // namespace pome::kernels::select
