// The weights of a model folder as one table, however many files they are in.
#pragma once

#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"
#include "formats/tensor.h"

namespace pome::formats {

struct ModelTensors {
  TensorTable tensors;          // file after file, in the order of their bytes
  Metadata metadata;            // of the first file that has any; "format" is "mlx" where MLX wrote it
  std::vector<fs::path> files;  // in the order they were read
};

// Maps the weights of a folder; nothing but headers is read. Taken is the first of
//   model.safetensors, also beside an index (as transformers does);
//   the shards that model.safetensors.index.json names: each must exist and hold every tensor that weight_map
//   puts
//     into it; tensors that weight_map does not mention are kept (transformers reads them too);
//   model*.safetensors, else weights*.safetensors (older mlx-lm), in order of name: of names like
//     x-00001-of-00003 all three must be there.
// A tensor in two files is refused: loaders disagree on which one counts.
// path may also be one .safetensors or .npz file.
//
// Throws Error: not_found (no such path, no weights, a shard is missing), corrupt (see safetensors.h; an
// index that is wrong or leads out of the folder), unsupported (weights in other formats only; the hint
// converts them).
ModelTensors open_model_tensors(const fs::path& path);

}  // namespace pome::formats
