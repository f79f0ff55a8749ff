// mxfp8: groups of 32 E4M3 codes under one E8M0 scale; OCP MX v1.0.
#pragma once

#include "quant/mode.h"

namespace pome::quant {

extern const Mode mxfp8;

}  // namespace pome::quant
