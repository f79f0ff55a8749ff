// The Arch of every family; families.def lists them.
#pragma once

#include "models/model.h"

namespace pome::models {

#define POME_FAMILY(name) extern const Arch name##_arch;
#include "models/families.def"
#undef POME_FAMILY

}  // namespace pome::models
