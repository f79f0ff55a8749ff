// The header of a GGUF file: what the file says about itself and its tensors, without their bytes.
//
// Versions 2 and 3, little-endian, as ggml's docs/gguf.md and ggml/src/gguf.cpp (ggml-org/llama.cpp) have
// them. A stranger's: strings and arrays must lie within the file, keys and tensor names occur once, arrays
// hold no arrays, a tensor has at most 4 dimensions whose first fills whole blocks, and each lies where the
// one before it ends, padded to the alignment.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pome::formats {

// How a tensor's elements are stored: `block_bytes` for every `block_elements` along the first dimension.
struct GgufType {
  std::uint32_t id;
  std::string_view name;  // "Q4_K"
  std::uint32_t block_elements, block_bytes;
};
const GgufType* gguf_type(std::uint32_t id);  // null: one that we do not know

struct GgufTensor {
  std::string name;
  const GgufType* type = nullptr;
  std::vector<std::uint64_t> shape;  // the first dimension is the fastest
  std::uint64_t offset = 0;          // from the start of the data
  std::uint64_t elements = 0, size_bytes = 0;
};

// A value of the header; of an array its length only.
struct GgufArray {
  std::uint64_t length = 0;
};
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

struct GgufHeader {
  std::uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;
  std::uint64_t data_start = 0;  // bytes from the start of the file

  std::string text(std::string_view key) const;  // empty where there is no such string
  std::uint64_t number(
      std::string_view key) const;  // a whole number, or an array's length; 0 where there is none
};

// `start` are the first bytes of a file of `file_size_bytes`. Nothing where the header goes on behind them:
// then more are needed. Throws Error: corrupt; unsupported for other versions, byte orders and types.
std::optional<GgufHeader> parse_gguf_header(std::span<const std::byte> start, std::uint64_t file_size_bytes,
                                            std::string_view subject);

}  // namespace pome::formats
