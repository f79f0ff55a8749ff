// A stranger's SentencePiece model or tiktoken file, then a stranger's text after the last line feed: an
// error or a result, and pieces that add up.
#include <cstdlib>

#include "base/error.h"
#include "text/detokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.rfind('\n');
  const std::string_view file = input.substr(0, end), text = end == input.npos ? "" : input.substr(end + 1);
  const auto kind =
      file.starts_with('\n') ? text::TokenizerFile::sentencepiece : text::TokenizerFile::tiktoken;
  try {
    const auto tokenizer = text::Tokenizer::parse_file(
        kind, R"({"version": "1.0", "decoder": {"type": "ByteLevel", "add_prefix_space": false,
                  "trim_offsets": true, "use_regex": false}})",
        file, [](const text::Tokenizer&) { return text::Surround{}; });
    const auto ids = tokenizer->encode(text);
    text::Detokenizer detokenizer(tokenizer, false);
    std::string pieces;
    for (const std::int32_t id : ids) pieces += detokenizer.feed(id);
    pieces += detokenizer.flush();
    if (pieces != tokenizer->decode(ids)) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
