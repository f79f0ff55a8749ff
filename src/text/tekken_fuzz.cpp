// A stranger's tekken.json: an error, or a tokenizer that reads and writes.
#include "base/error.h"
#include "text/tekken.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  try {
    const text::Tekken tekken = text::parse_tekken({reinterpret_cast<const char*>(data), size});
    const auto tokenizer =
        text::Tokenizer::parse_file(text::TokenizerFile::tiktoken, R"({"version": "1.0"})", tekken.ranks,
                                    [](const text::Tokenizer&) { return text::Surround{}; });
    tokenizer->decode(tokenizer->encode("It's 42 e\u0301  <s>"));
  } catch (const Error&) {
  }
  return 0;
}
