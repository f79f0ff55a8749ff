// Mistral's tekken.json: byte-level pieces as tiktoken has them, behind the special tokens' ids.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pome::text {

struct Tekken {
  std::string words;                 // the pattern that cuts a text into words
  std::string ranks;                 // a tiktoken file with every token's id, the special ones' too
  std::vector<std::string> special;  // by id
};

// Follows mistral_common's tekken.py: of the vocabulary what default_vocab_size leaves room for; special
// tokens that the file does not name are <SPECIAL_n>, and before version 11 the first twenty have names of
// their own. Throws Error(corrupt).
Tekken parse_tekken(std::string_view json);

}  // namespace pome::text
