// A stranger's tokenizer.json, then a stranger's text: an error or a result, and pieces that add up.
#include <cstdlib>

#include "base/error.h"
#include "text/detokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.rfind('}');
  try {
    const auto tokenizer = text::Tokenizer::parse(input.substr(0, end == input.npos ? size : end + 1));
    const auto ids = tokenizer->encode(end == input.npos ? "" : input.substr(end + 1));
    text::Detokenizer detokenizer(tokenizer, false);
    std::string pieces;
    for (const std::int32_t id : ids) pieces += detokenizer.feed(id);
    pieces += detokenizer.flush();
    if (pieces != tokenizer->decode(ids)) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
