// Parameters as a forward pass sees them: views of mapped files, dense or quantized, with low-rank adapters
// beside them. Plain values; whoever holds one keeps its file mapped. Immutable once a model is loaded,
// except Linear::adapters, which only the engine's thread changes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "formats/tensor.h"

namespace pome::graph {

using formats::Tensor;

// How the codes of a Weight are packed; see quant/mode.h for the layouts.
struct Quantization {
  std::string mode = "affine";  // quant::Mode::name
  int bits = 4;
  int group_size = 64;
};

// A matrix [out, in], or a stack [experts, out, in]. Dense: `weight` holds the elements. Quantized: `weight`
// holds packed codes as U32 [out, in·bits/32], `scales` (and `biases`, for affine) one element per group
// [out, in/group_size].
struct Weight {
  Tensor weight;
  std::optional<Quantization> quantization;
  std::optional<Tensor> scales;
  std::optional<Tensor> biases;

  std::int64_t out_features() const { return weight.shape[weight.shape.size() - 2]; }
  std::int64_t in_features() const {
    return quantization ? weight.shape.back() * 32 / quantization->bits : weight.shape.back();
  }
};

// What an adapter adds to one linear: y = W·x + scale·(x·a)·b, all of it times row_scale (DoRA) where that is
// present. a [in, r], b [r, out], row_scale [out] = m / ‖W + scale·(a·b)ᵀ‖ per output row.
struct LowRank {
  Tensor a;
  Tensor b;
  float scale = 1;
  std::optional<Tensor> row_scale;
};

struct Linear {
  std::string name;  // module path in the checkpoint, for messages: "model.layers.7.mlp.up_proj"
  Weight weight;
  std::optional<Tensor> bias;       // [out]
  std::map<int, LowRank> adapters;  // by adapter id; 0 is never a key, it means "none" in Segment::adapter
};

}  // namespace pome::graph
