#include "models/weights.h"

#include <algorithm>

#include "base/error.h"
#include "formats/rename.h"

namespace pome::models {

const formats::Tensor& Weights::use(const std::string& name) {
  const formats::Tensor* tensor = tensors_.find(name);
  if (tensor == nullptr) {
    throw error(ErrorKind::corrupt, "{}: tensor \"{}\" is missing, nothing was loaded", tensors_.source(),
                name)
        .with_hint(fmt::format("pome verify --repair {}", tensors_.source()));
  }
  taken_.insert(name);
  return *tensor;
}

formats::Tensor Weights::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const formats::Tensor& tensor = use(name);
  nn::check_dense(tensor, shape);
  return tensor;
}

formats::Tensor Weights::take_scalar(const std::string& name) {
  const formats::Tensor& tensor = use(name);
  nn::check_dense(tensor, tensor.shape.empty() ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{1});
  return tensor;
}

formats::Tensor Weights::take_bytes(const std::string& name, const std::vector<std::int64_t>& shape) {
  const formats::Tensor& tensor = use(name);
  if (tensor.dtype != Dtype::u8 || tensor.shape != shape) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} of {}, expected {} of U8", tensor.file, tensor.name,
         tensor.shape_text(), dtype_name(tensor.dtype), formats::shape_text(shape));
  }
  return tensor;
}

formats::Tensor Weights::taps(const std::string& name, std::int64_t channels, std::int64_t kernel) {
  const bool mlx = use(name).shape == std::vector{channels, kernel, std::int64_t{1}};
  return take(name, {channels, mlx ? kernel : 1, mlx ? 1 : kernel});
}

graph::Weight Weights::weight(const std::string& module, const std::vector<std::int64_t>& shape) {
  const formats::Tensor& weight = use(module + ".weight");
  const auto beside = [&](const char* part) -> const formats::Tensor* {
    const std::string name = module + part;
    return tensors_.contains(name) ? &use(name) : nullptr;
  };
  const formats::Tensor* scales = beside(".scales");
  const formats::Tensor* biases = scales == nullptr ? nullptr : beside(".biases");
  return nn::make_weight(module, shape, weight, scales, biases, quantization_);
}

nn::LinearPtr Weights::keep(graph::Linear linear) {
  return linears_.emplace_back(std::make_shared<graph::Linear>(std::move(linear)));
}

nn::LinearPtr Weights::linear(const std::string& module, std::int64_t out, std::int64_t in, bool bias) {
  graph::Linear linear;
  linear.name = module;
  linear.weight = weight(module, out, in);
  if (bias) linear.bias = take(module + ".bias", {out});
  return keep(std::move(linear));
}

void Weights::drop(std::string_view pattern) {
  for (const formats::Tensor& tensor : tensors_) {
    if (formats::matches(pattern, tensor.name) && taken_.insert(tensor.name).second) {
      dropped_.push_back(tensor.name);
    }
  }
}

void Weights::finish() const {
  std::size_t left = 0;
  const formats::Tensor* first = nullptr;
  for (const formats::Tensor& tensor : tensors_) {
    if (taken_.contains(tensor.name)) continue;
    if (first == nullptr) first = &tensor;
    ++left;
  }
  if (first == nullptr) return;
  throw error(ErrorKind::unsupported,
              "{}: tensor \"{}\" {} has no place in a {} of this config{}; nothing was loaded", first->file,
              first->name, first->shape_text(), family_,
              left == 1 ? std::string() : fmt::format(", nor have {} others", left - 1))
      .with_hint("config.json may belong to another model: pome show MODEL");
}

}  // namespace pome::models
