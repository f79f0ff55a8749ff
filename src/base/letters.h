// ASCII letters without regard to case; other bytes stand for themselves, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace pome {

std::string lower(std::string_view text);
bool same_letters(std::string_view a, std::string_view b);  // apart from case

}  // namespace pome
