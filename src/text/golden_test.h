// Reading tests/golden/text, for the tests of this room.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace pome::text {

inline fs::path golden_folder() { return fs::path(POME_SOURCE_DIR) / "tests/golden/text"; }

inline std::shared_ptr<const Tokenizer> golden_tokenizer(const std::string& kind) {
  return Tokenizer::parse(read_file(golden_folder() / "tokenizers" / (kind + ".json")));
}

inline std::string from_base64(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
  }
  return bytes;
}

}  // namespace pome::text
