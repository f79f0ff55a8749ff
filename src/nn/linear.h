// What a config says about quantized modules, and the weights it makes of tensors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "graph/graph.h"
#include "graph/weight.h"

namespace pome::nn {

// A layer's view of a linear: models keep them, adapters reach them by name (models/model.h).
using LinearPtr = std::shared_ptr<const graph::Linear>;

// The member `quantization` (or its copy `quantization_config`) of an MLX config: settings for all modules,
// and by module path others, or none at all.
struct QuantizationConfig {
  std::optional<graph::Quantization> general;
  std::map<std::string, std::optional<graph::Quantization>, std::less<>> modules;  // none: kept dense
};

// Throws Error(unsupported) for modes, bits, groups and methods (gptq, awq, …) that are not MLX's,
// Error(corrupt) for anything that is no such object. `subject` names the file.
QuantizationConfig parse_quantization(const Json& config, std::string_view subject);

// The weight [out, in], or stack [experts, out, in], of module `name` out of its tensors: quantized where it
// has scales, else dense. Bits and group are what the shapes say, and must be what the config says. Throws
// Error(corrupt) with file, tensor, what was found and what was expected.
graph::Weight make_weight(const std::string& name, const std::vector<std::int64_t>& shape,
                          const formats::Tensor& weight, const formats::Tensor* scales,
                          const formats::Tensor* biases, const QuantizationConfig& config);

// Throws Error(corrupt) unless the tensor has this shape and floating-point elements.
void check_dense(const formats::Tensor& tensor, const std::vector<std::int64_t>& shape);

}  // namespace pome::nn
