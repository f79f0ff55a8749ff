// mxfp4: groups of 32 E2M1 codes under one E8M0 scale; OCP MX v1.0, and what gpt-oss is published in.
#pragma once

#include "quant/mode.h"

namespace pome::quant {

extern const Mode mxfp4;

}  // namespace pome::quant
