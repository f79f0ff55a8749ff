#include "nn/dense.h"

#include <cstring>

#include "base/error.h"
#include "quant/mode.h"

namespace pome::nn {

std::vector<float> to_floats(const formats::Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
  if (tensor.dtype == Dtype::f32) {
    if (!values.empty()) std::memcpy(values.data(), tensor.data, tensor.size_bytes);
    return values;
  }
  if (tensor.dtype != Dtype::f16 && tensor.dtype != Dtype::bf16) {
    fail(ErrorKind::unsupported, "{}: tensor \"{}\" has elements of type {}, expected F16, BF16 or F32",
         tensor.file, tensor.name, dtype_name(tensor.dtype));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, tensor.data + 2 * i, sizeof bits);
    values[i] = tensor.dtype == Dtype::f16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }
  return values;
}

formats::Tensor float_tensor(const formats::Tensor& like, std::vector<std::int64_t> shape,
                             std::vector<float> values) {
  return owned_tensor(like, Dtype::f32, std::move(shape), std::move(values));
}

void decode_row(const graph::Weight& weight, std::int64_t row, std::span<float> values) {
  if (!weight.quantization) {
    const std::vector<float> floats = to_floats(weight.weight.slice_rows(row, 1));
    std::copy(floats.begin(), floats.end(), values.begin());
    return;
  }
  const graph::Quantization& how = *weight.quantization;
  const quant::Mode* mode = quant::find_mode(how.mode);
  if (mode == nullptr) fail(ErrorKind::internal, "quantization mode \"{}\" is unknown", how.mode);
  const auto row_of = [&](const std::optional<formats::Tensor>& part) {
    return part ? part->slice_rows(row, 1).data : nullptr;
  };
  const quant::Row stored{.codes = weight.weight.slice_rows(row, 1).data,
                          .scales = row_of(weight.scales),
                          .biases = row_of(weight.biases),
                          .scale_dtype = weight.scales.value().dtype,
                          .columns = static_cast<std::int64_t>(values.size()),
                          .bits = how.bits,
                          .group_size = how.group_size};
  mode->decode_row(stored, values.data());
}

}  // namespace pome::nn
