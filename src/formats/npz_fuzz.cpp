// Any bytes as an npz archive: Error or valid views, every byte of which can be read.
#include <cstdlib>

#include "base/error.h"
#include "formats/npz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  try {
    unsigned sum = 0;
    for (const formats::Tensor& tensor :
         formats::parse_npz(std::as_bytes(std::span(data, size)), nullptr, "input")) {
      for (const std::byte b : tensor.bytes()) sum += std::to_integer<unsigned>(b);
      if (formats::tensor_size_bytes(tensor.dtype, tensor.shape) != tensor.size_bytes) std::abort();
    }
    volatile unsigned keep = sum;
    static_cast<void>(keep);
  } catch (const Error&) {
  }
  return 0;
}
