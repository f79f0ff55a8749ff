// Results go to stdout, talk goes to stderr.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pome::cli {

void print(std::string_view text);   // stdout, as it is
void print_json(const Json& value);  // stdout, one line
void talk(std::string_view text);    // stderr, as it is
void print_error(const Error& error, bool json);

// Whatever is buffered for stdout reaches it, or an Error says why not (a closed pipe ends the program
// quietly).
void flush_output();

bool input_is_terminal();
bool output_is_terminal();  // stdout
bool talk_is_terminal();    // stderr

// Lines of equal columns: every column but the last padded to its widest cell (in code points).
std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view indent = "",
                  std::string_view gap = "  ");

std::string count_text(std::uint64_t count);  // "8.03 B", "5.9 M", "640"

}  // namespace pome::cli
