// Quantities for people.
#pragma once

#include <cstdint>
#include <string>

namespace pome {

// "512 B", "4.0 KiB", "17.2 GiB": powers of 1024, one digit after the point.
std::string size_text(std::uint64_t bytes);

}  // namespace pome
