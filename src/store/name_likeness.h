// Which names of repositories mean the same model.
#pragma once

#include <string_view>

namespace pome::store {

// How alike two names of repositories are, 0 to 1: by the words in them ("phi", "3.5", "mini", "4bit"), of
// which those that only tell a precision or a packaging count little. For ranking real names only.
double name_likeness(std::string_view a, std::string_view b);

}  // namespace pome::store
