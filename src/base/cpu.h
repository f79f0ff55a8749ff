// What this machine's processor can do.
#pragma once

#include <string>
#include <vector>

namespace pome {

// "x86_64" or "arm64", as compiled.
std::string cpu_architecture();

// The instruction sets that matter to kernels, weakest first: "avx2", "fma", … or "dotprod", "i8mm", …
std::vector<std::string> cpu_features();

}  // namespace pome
