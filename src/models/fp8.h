// Checkpoints in 8-bit floats (quantization_config.quant_method "fp8", as DeepSeek V3, MiniMax M2, Ministral
// 3 and Qwen's FP8 files are published): E4M3 weights, each with a weight_scale_inv by which it is
// multiplied.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "formats/tensor.h"

namespace pome::models {

// Rows and columns of a weight under one scale; 0: the scales' shape says it, one in all or one per row.
struct Fp8 {
  int block_rows = 0;
  int block_columns = 0;
};

bool is_fp8(const Json& config);

// Throws Error(unsupported) for other floats than E4M3, Error(corrupt) for blocks that are none.
Fp8 parse_fp8(const Json& config, std::string_view subject);

// Bytes that decode_fp8 will allocate.
std::uint64_t decoded_bytes(const formats::TensorTable& tensors);

// The table with weights as BF16, float32 products rounded to nearest even, and without scales, those of
// activations among them; what has no scale stays. Without `values` all are 0 and cost no memory. Computes on
// threads(). Throws Error: corrupt (shapes that do not fit), resource.
formats::TensorTable decode_fp8(const formats::TensorTable& tensors, const Fp8& settings, bool values);

}  // namespace pome::models
