// What the environment says.
#pragma once

#include <string>

#include "base/file.h"

namespace pome {

std::string environment_variable(const char* name);  // empty: not set
bool environment_flag(const char* name);             // 1, on, yes or true, as huggingface_hub reads its own

fs::path home_folder();
fs::path expand_home(const std::string& path);  // "~" and "~/…"

}  // namespace pome
