// Types of stored floats that kernels read in place.
#pragma once

#include <cstdint>

namespace pome::kernels {

enum class Element : std::uint8_t { f16, bf16, f32 };

constexpr int element_bytes(Element type) { return type == Element::f32 ? 4 : 2; }

}  // namespace pome::kernels
