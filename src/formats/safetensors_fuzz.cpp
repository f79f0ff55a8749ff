// Any bytes as a safetensors file and as a shard index: Error or valid views, every byte of which can be
// read.
#include <cstdlib>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/shard_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const formats::SafetensorsFile file = formats::parse_safetensors(bytes, nullptr, "input");
    std::size_t covered = 0;
    unsigned sum = 0;
    for (const formats::Tensor& tensor : file.tensors) {
      for (const std::byte b : tensor.bytes()) sum += std::to_integer<unsigned>(b);
      covered += tensor.size_bytes;
      if (formats::tensor_size_bytes(tensor.dtype, tensor.shape) != tensor.size_bytes) std::abort();
    }
    volatile unsigned keep = sum;
    static_cast<void>(keep);
    if (covered > size) std::abort();
  } catch (const Error&) {
  }
  try {
    const std::string_view json(reinterpret_cast<const char*>(data), size);
    for (const auto& [tensor, shard] : formats::parse_shard_index(json, "input")) {
      if (shard.find('/') != std::string::npos) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
