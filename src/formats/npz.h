// npz, in which the first MLX uploads came: a zip archive of npy files, one per tensor.
//
// Follows PKWARE's APPNOTE 6.3.10 (with its 64-bit records) and numpy.lib.format, versions 1 to 3. Stored
// members, as numpy.savez and mlx.savez write them, are used in place; those of numpy.savez_compressed are
// unpacked into memory, up to 64 times the file. Encrypted archives, archives in parts, big-endian and
// column-major arrays are refused.
#pragma once

#include "base/file.h"
#include "formats/tensor.h"

namespace pome::formats {

// An archive in memory; owner keeps it valid. Tensors are views named after their member without ".npy".
// Throws Error(corrupt, unsupported, resource). subject names the file in errors.
TensorTable parse_npz(std::span<const std::byte> file, std::shared_ptr<const void> owner,
                      std::string_view subject);

// Maps path. Throws Error also as MappedFile::open does.
TensorTable open_npz(const fs::path& path);

}  // namespace pome::formats
