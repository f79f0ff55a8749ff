#include "text/utf8.h"

namespace pome::text {

Utf8Step next_utf8(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {Utf8::character, 1};
  if (first < 0xC2 || first > 0xF4) return {Utf8::invalid, 1};
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;  // of the second byte
  unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {Utf8::incomplete, i};
    if (byte(i) < low || byte(i) > high) return {Utf8::invalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8::character, length};
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Step step = next_utf8(bytes);
    if (step.kind != Utf8::character) return false;
    bytes.remove_prefix(step.length);
  }
  return true;
}

void take_utf8(std::string& bytes, std::string& text, bool nothing_follows) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const Utf8Step step = next_utf8(rest);
    if (step.kind == Utf8::incomplete && !nothing_follows) break;
    text += step.kind == Utf8::character ? rest.substr(0, step.length) : replacement_character;
    rest.remove_prefix(step.length);
  }
  bytes.erase(0, bytes.size() - rest.size());
}

}  // namespace pome::text
