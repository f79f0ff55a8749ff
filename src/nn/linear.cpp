#include "nn/linear.h"

#include <algorithm>
#include <array>

namespace pome::nn {
namespace {

using graph::Quantization;

constexpr std::array known_bits{2, 3, 4, 5, 6, 8};
constexpr std::array known_groups{32, 64, 128};

Quantization parse_settings(const Json& object, std::string_view where) {
  // mlx-lm's mixed recipes write null for a module whose groups are the mode's own.
  const auto read = [&](const char* key, int fallback) {
    const auto member = object.find(key);
    const bool given = member != object.end() && !member->is_null();
    return given ? json_as<int>(*member, fmt::format("{}.{}", where, key)) : fallback;
  };
  Quantization settings;
  settings.mode = json_value<std::string>(object, "mode", "affine");
  if (settings.mode != "affine") {
    fail(ErrorKind::unsupported, "{}.mode \"{}\" is not implemented, nothing was loaded", where,
         settings.mode);
  }
  settings.bits = read("bits", 4);
  settings.group_size = read("group_size", 64);
  if (std::find(known_bits.begin(), known_bits.end(), settings.bits) == known_bits.end()) {
    fail(ErrorKind::unsupported, "{}.bits is {}, expected 2, 3, 4, 5, 6 or 8", where, settings.bits);
  }
  if (std::find(known_groups.begin(), known_groups.end(), settings.group_size) == known_groups.end()) {
    fail(ErrorKind::unsupported, "{}.group_size is {}, expected 32, 64 or 128", where, settings.group_size);
  }
  return settings;
}

bool is_float(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16 || dtype == Dtype::f32; }

void check_shape(const formats::Tensor& tensor, const std::vector<std::int64_t>& shape) {
  if (tensor.shape != shape) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" has shape {}, expected {}", tensor.file, tensor.name,
         tensor.shape_text(), formats::shape_text(shape));
  }
}

// The settings that shapes [out, in·bits/32] and [out, in/group] imply.
Quantization implied(std::int64_t out, std::int64_t in, const formats::Tensor& weight,
                     const formats::Tensor& scales) {
  const bool matrices = weight.shape.size() == 2 && scales.shape.size() == 2 && weight.shape[0] == out &&
                        scales.shape[0] == out && scales.shape[1] > 0;
  const std::int64_t bits = matrices && in > 0 && weight.shape[1] <= in ? weight.shape[1] * 32 / in : 0;
  const std::int64_t group = matrices ? in / scales.shape[1] : 0;
  if (std::find(known_bits.begin(), known_bits.end(), bits) == known_bits.end() ||
      std::find(known_groups.begin(), known_groups.end(), group) == known_groups.end() ||
      weight.shape[1] * 32 != in * bits || group * scales.shape[1] != in) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" of shape {} with scales {} holds no matrix [{}, {}]",
         weight.file, weight.name, weight.shape_text(), scales.shape_text(), out, in);
  }
  return {.mode = "affine", .bits = static_cast<int>(bits), .group_size = static_cast<int>(group)};
}

}  // namespace

QuantizationConfig parse_quantization(const Json& config, std::string_view subject) {
  QuantizationConfig parsed;
  for (const char* key : {"quantization", "quantization_config"}) {
    const auto member = config.find(key);
    if (member == config.end() || member->is_null()) continue;
    const std::string where = fmt::format("{}: {}", subject, key);
    if (!member->is_object()) fail(ErrorKind::corrupt, "{} is no object", where);
    if (const auto method = member->find("quant_method"); method != member->end() && !method->is_null()) {
      throw error(ErrorKind::unsupported, "{}.quant_method {} is not MLX's format, nothing was loaded", where,
                  method->dump())
          .with_hint("pome convert MODEL");
    }
    parsed.general = parse_settings(*member, where);
    for (const auto& [name, value] : member->items()) {
      if (value.is_object()) {
        parsed.modules[name] = parse_settings(value, fmt::format("{}.{}", where, name));
      } else if (value.is_boolean() && !value.get<bool>()) {
        parsed.modules[name] = std::nullopt;
      } else if (name != "mode" && name != "bits" && name != "group_size" && !value.is_null()) {
        fail(ErrorKind::unsupported, "{}.{} is {}, which is not implemented; nothing was loaded", where, name,
             value.dump());
      }
    }
    return parsed;
  }
  return parsed;
}

void check_dense(const formats::Tensor& tensor, const std::vector<std::int64_t>& shape) {
  check_shape(tensor, shape);
  if (!is_float(tensor.dtype)) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" has elements of type {}, expected F16, BF16 or F32",
         tensor.file, tensor.name, dtype_name(tensor.dtype));
  }
}

graph::Weight make_weight(const std::string& name, std::int64_t out, std::int64_t in,
                          const formats::Tensor& weight, const formats::Tensor* scales,
                          const formats::Tensor* biases, const QuantizationConfig& config) {
  const auto own = config.modules.find(name);
  const bool has_own = own != config.modules.end();
  if (scales == nullptr) {
    if (has_own && own->second) {
      fail(ErrorKind::corrupt, "{}: tensor \"{}\" has no scales, but config.json says {} bits", weight.file,
           weight.name, own->second->bits);
    }
    check_dense(weight, {out, in});
    return {.weight = weight, .quantization = {}, .scales = {}, .biases = {}};
  }

  if (has_own && !own->second) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is not wanted: config.json says that \"{}\" is not quantized",
         scales->file, scales->name, name);
  }
  if (weight.dtype != Dtype::u32) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" has elements of type {}, expected U32 beside its scales",
         weight.file, weight.name, dtype_name(weight.dtype));
  }
  if (biases == nullptr) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}.biases\" is missing beside its scales", scales->file, name);
  }
  const Quantization found = implied(out, in, weight, *scales);
  const std::optional<Quantization>& told = has_own ? own->second : config.general;
  if (told && (told->bits != found.bits || told->group_size != found.group_size)) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" has {} bits in groups of {}, config.json says {} and {}",
         weight.file, weight.name, found.bits, found.group_size, told->bits, told->group_size);
  }
  check_dense(*scales, {out, in / found.group_size});
  check_dense(*biases, {out, in / found.group_size});
  return {.weight = weight, .quantization = found, .scales = *scales, .biases = *biases};
}

}  // namespace pome::nn
