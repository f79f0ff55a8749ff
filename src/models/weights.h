// The tensors of a model as a family takes them: by name, each once or more, none left over.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/tensor.h"
#include "graph/weight.h"
#include "nn/linear.h"

namespace pome::models {

// Not thread-safe; lives while one model is built. What it hands out are views that keep their file mapped.
// Errors: corrupt, with file, tensor, what was found and what was expected.
class Weights {
 public:
  // `tensors` must outlive the object.
  // `family` is the one that is built.
  Weights(const formats::TensorTable& tensors, nn::QuantizationConfig quantization, std::string_view family)
      : tensors_(tensors), quantization_(std::move(quantization)), family_(family) {}

  const std::string& family() const { return family_; }
  bool contains(std::string_view name) const { return tensors_.contains(name); }

  // A tensor as it is, for families that know more about it than a table of shapes can say.
  const formats::Tensor& use(const std::string& name);

  // A tensor of floating-point elements and this shape.
  formats::Tensor take(const std::string& name, const std::vector<std::int64_t>& shape);

  // The same of one element, whether it has an axis or none.
  formats::Tensor take_scalar(const std::string& name);

  // A tensor of bytes, which the family unpacks.
  formats::Tensor take_bytes(const std::string& name, const std::vector<std::int64_t>& shape);

  // A depthwise convolution's taps, [channels, 1, kernel] as Hugging Face has them or [channels, kernel, 1]
  // as MLX does: the same bytes.
  formats::Tensor taps(const std::string& name, std::int64_t channels, std::int64_t kernel);

  // <module>.weight [out, in], with <module>.scales and .biases where it is quantized.
  graph::Weight weight(const std::string& module, std::int64_t out, std::int64_t in) {
    return weight(module, std::vector{out, in});
  }

  // The same of another shape: a stack [experts, out, in].
  graph::Weight weight(const std::string& module, const std::vector<std::int64_t>& shape);

  // The same, with <module>.bias [out] where the family has one.
  nn::LinearPtr linear(const std::string& module, std::int64_t out, std::int64_t in, bool bias);

  // A linear that the family made itself.
  nn::LinearPtr keep(graph::Linear linear);

  // Sets aside what is in files but of no use: names that match `pattern`, in which one '*' stands for
  // anything.
  void drop(std::string_view pattern);

  // Refuses tensors that were neither taken nor dropped: Error(unsupported), because the model they belong
  // to is another one.
  void finish() const;

  const std::vector<std::string>& dropped() const { return dropped_; }

  // What linear() handed out.
  const std::vector<std::shared_ptr<graph::Linear>>& linears() const { return linears_; }

 private:
  const formats::TensorTable& tensors_;
  nn::QuantizationConfig quantization_;
  std::string family_;
  std::set<std::string, std::less<>> taken_;
  std::vector<std::string> dropped_;
  std::vector<std::shared_ptr<graph::Linear>> linears_;
};

}  // namespace pome::models
