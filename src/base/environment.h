// What the environment says.
#pragma once

#include <string>

#include "base/file.h"

namespace pome {

std::string environment_variable(const char* name);  // empty: not set
bool environment_flag(const char* name);             // 1, on, yes or true, as huggingface_hub reads its own

fs::path home_folder();
// "~", "~/…", and $NAME or ${NAME} where such a variable is set, as huggingface_hub reads its folders.
fs::path expand_path(const std::string& path);

}  // namespace pome
