#include "cli/input.h"

#include <iostream>
#include <iterator>

#include "base/error.h"
#include "cli/output.h"

namespace pome::cli {

std::string read_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::string read_text(const fs::path& file, const std::vector<std::string>& words) {
  if (file == "-") return read_input();
  if (!file.empty()) return read_file(file, std::size_t{1} << 30);
  if (words.empty() && input_is_terminal()) {
    throw Error(ErrorKind::usage, "no text: give words, --file or a pipe");
  }
  std::string input;
  if (words.empty() || std::find(words.begin(), words.end(), "-") != words.end()) input = read_input();
  if (input.ends_with('\n')) input.pop_back();
  if (words.empty()) return input;
  std::string text;
  for (const std::string& word : words) {
    if (&word != &words.front()) text += ' ';
    text += word == "-" ? input : word;
  }
  return text;
}

}  // namespace pome::cli
