// UTF-8 step by step, by table 3-7 of the Unicode standard (no overlong forms, no surrogates).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pome::text {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8 : std::uint8_t { character, invalid, incomplete };

struct Utf8Step {
  Utf8 kind;
  std::size_t
      length;  // bytes of the character, of the maximal invalid part, or of the beginning of a character
};

// What stands at the start of `bytes`, which are not empty.
Utf8Step next_utf8(std::string_view bytes);

bool is_utf8(std::string_view bytes);

// Moves the characters at the start of `bytes` to the end of `text`, each maximal invalid part as U+FFFD. An
// incomplete character stays in `bytes`, unless nothing will follow.
void take_utf8(std::string& bytes, std::string& text, bool nothing_follows);

}  // namespace pome::text
