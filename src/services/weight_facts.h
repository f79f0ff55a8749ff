// What the weights of a model amount to, by the names, types and shapes in their headers.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/tensor.h"

namespace pome::services {

// The tensors of one kind of layer.
struct LayerFacts {
  std::string kind;  // "embeddings", "attention", "mlp", "experts", "norms", …, or a component's folder
  std::uint64_t parameters = 0;  // logical: unpacked, without scales and biases of quantization
  std::uint64_t bytes = 0;       // with them

  double bits() const {
    return parameters == 0 ? 0 : static_cast<double>(bytes) * 8 / static_cast<double>(parameters);
  }
};

struct WeightFacts {
  std::vector<LayerFacts> layers;  // most parameters first
  std::uint64_t parameters = 0, bytes = 0;
  std::string quantization =
      "none";                    // "affine 4 bit, groups of 64" (of most parameters), "Q4_K", "gptq 4bit"
  int bits = 0, group_size = 0;  // MLX's only; 0: none
  std::string dtype;             // of most dense elements: "BF16"
};

// Which layers a tensor of this name belongs to, in published checkpoints and in GGUF files.
std::string layer_kind(std::string_view tensor);

// config: of the model, which says how tensors are packed; `other` and `other_bits` tell that where it is not
// MLX's way ("gptq 4bit", 4). Tensors in `unused` do not count. `component`: all of them belong to this one.
void count_weights(const formats::TensorTable& tensors, const Json& config, const std::string& other,
                   int other_bits, const std::set<std::string>& unused, const std::string& component,
                   WeightFacts& facts);
void count_weights(const formats::GgufHeader& header, WeightFacts& facts);

}  // namespace pome::services
