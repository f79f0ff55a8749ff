// safetensors: eight bytes of header length, a JSON header, then the bytes of the tensors.
//
// The reader is strict, because the header is a stranger's: every rule of the reference implementation
// (github.com/huggingface/safetensors, safetensors/src/tensor.rs) holds, and keys that occur twice, unknown
// keys and raw NULs are refused too. The tensors must cover the data exactly: in order of their offsets each
// begins where the last one ended, the first at 0, the last ends with the file. Accepted: white space around
// the JSON object, "__metadata__": null (MLX writes it), tensors of no bytes, headers that leave the data
// misaligned.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/tensor.h"

namespace pome::formats {

using Metadata = std::map<std::string, std::string>;

struct SafetensorsEntry {
  std::string name;
  Dtype dtype = Dtype::u8;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // bytes from the start of the data
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::uint64_t data_start = 0;           // bytes from the start of the file
  std::vector<SafetensorsEntry> entries;  // in the order of their bytes
  Metadata metadata;
};

struct SafetensorsFile {
  TensorTable tensors;  // in the order of their bytes
  Metadata metadata;
};

// The header apart from the data, so that a header fetched over the network is read by the same rules.
// subject names the file in errors. All throw Error(corrupt), for a type we do not know Error(unsupported).

constexpr std::uint64_t safetensors_prefix_bytes = 8;
constexpr std::uint64_t safetensors_max_header_bytes = 100'000'000;  // the reference implementation's

// Bytes of the JSON header, from the first bytes of a file (at least safetensors_prefix_bytes unless the file
// is shorter).
std::uint64_t parse_safetensors_prefix(std::span<const std::byte> start, std::uint64_t file_size_bytes,
                                       std::string_view subject);

// json holds exactly the bytes that the prefix announces. Takes time in proportion to its length.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t file_size_bytes,
                                           std::string_view subject);

// A file that is in memory; owner keeps file valid.
SafetensorsFile parse_safetensors(std::span<const std::byte> file, std::shared_ptr<const void> owner,
                                  std::string_view subject);

// Maps path; nothing but the header is read. Throws Error also as MappedFile::open does.
SafetensorsFile open_safetensors(const fs::path& path);

// Writes a file that open_safetensors and every other reader takes, in one step (never half a file under that
// name) and without gathering the data in memory. Types with the largest elements come first, then by name,
// so that every tensor is aligned to its element: byte for byte what the Python writer makes of the same
// tensors with at most one metadata key (it leaves the order of keys to chance, here they are sorted). Throws
// Error: internal (a name twice, reserved or not UTF-8; size unlike shape), and as AtomicFile does.
void write_safetensors(const fs::path& path, std::span<const Tensor> tensors, const Metadata& metadata = {});

}  // namespace pome::formats
