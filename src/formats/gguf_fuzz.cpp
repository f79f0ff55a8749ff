// Any bytes as the header of a GGUF file: Error, nothing, or tensors that lie within the file. What a part of
// the bytes says must not differ from what all of them say.
#include <cstdlib>

#include "base/error.h"
#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const std::uint64_t file : {std::uint64_t{size}, std::uint64_t{size} + (1 << 20)}) {
    try {
      const auto header = formats::parse_gguf_header(bytes, file, "input");
      if (!header) continue;
      if (formats::parse_gguf_header(bytes.first(std::min<std::size_t>(size, 23)), file, "input"))
        std::abort();
      for (const formats::GgufTensor& tensor : header->tensors) {
        if (header->data_start + tensor.offset + tensor.size_bytes > file) std::abort();
      }
      static_cast<void>(header->text("general.architecture"));
      static_cast<void>(header->number("general.alignment"));
    } catch (const Error&) {
    }
  }
  return 0;
}
