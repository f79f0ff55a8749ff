// What a verb reads: a file, words, or what comes through the pipe.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"

namespace pome::cli {

// All of stdin, as it is.
std::string read_input();

// The file where one is named ("-": stdin), else the words joined by blanks; "-" among them, and no words at
// all, is stdin without its last line end. Throws Error(usage) where stdin would be a terminal.
std::string read_text(const fs::path& file, const std::vector<std::string>& words);

}  // namespace pome::cli
