// One line per family: its declaration here, its row in registry.cpp.
#pragma once

#include "models/model.h"

namespace pome::models {

extern const Arch llama_arch;
extern const Arch qwen2_arch;
extern const Arch qwen3_arch;

}  // namespace pome::models
