// nvfp4: groups of 16 E2M1 codes under one E4M3 scale. MLX stores no second, global scale.
#pragma once

#include "quant/mode.h"

namespace pome::quant {

extern const Mode nvfp4;

}  // namespace pome::quant
