// The access token that huggingface_hub keeps too.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"

namespace pome::hub {

struct Token {
  std::string value;   // empty: none
  std::string source;  // the variable or the file
};

// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, then the file. Throws Error(usage) for one that cannot be a header.
Token find_token();

// Without blanks around it; empty stays empty. Throws Error(usage), naming `source`, for what cannot be a
// header.
std::string clean_token(std::string_view token, std::string_view source);

// $HF_TOKEN_PATH, else token in hf_home().
fs::path token_file();

// Readable by its owner only. Throws Error(usage) for what cannot be a token.
void save_token(std::string_view token);

// False where there was none.
bool remove_token();

}  // namespace pome::hub
