// Which models somebody wants: the repositories that a document names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pome::store {

// Every org/name, in the order of the text and each once. Taken are, whatever the document is,
//   a line that holds nothing else (plain lists; "- " before it and "# …" after it are fine);
//   one between backticks or quotes (Markdown, JSON, TOML);
//   one after "download ", "pull " or "--model " (shell commands).
// Names that end like a file of source or text are none. Never throws: what has not this shape is passed
// over.
std::vector<std::string> parse_wanted(std::string_view text);

}  // namespace pome::store
