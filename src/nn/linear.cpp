#include "nn/linear.h"

#include <algorithm>

#include "quant/mode.h"

namespace pome::nn {
namespace {

using graph::Quantization;

const quant::Mode& mode_of(const Quantization& settings) { return *quant::find_mode(settings.mode); }

template <class Range>
bool is_among(const Range& known, std::int64_t value) {
  return std::find(known.begin(), known.end(), value) != known.end();
}

// "2, 3 or 4"
std::string listed(std::span<const int> values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += i + 1 == values.size() ? " or " : ", ";
    text += std::to_string(values[i]);
  }
  return text;
}

Quantization parse_settings(const Json& object, std::string_view where) {
  // mlx-lm's mixed recipes write null for a module whose groups are the mode's own.
  const auto read = [&](const char* key, int fallback) {
    const auto member = object.find(key);
    const bool given = member != object.end() && !member->is_null();
    return given ? json_as<int>(*member, fmt::format("{}.{}", where, key)) : fallback;
  };
  Quantization settings;
  settings.mode = json_value<std::string>(object, "mode", "affine");
  const quant::Mode* mode = quant::find_mode(settings.mode);
  if (mode == nullptr) {
    fail(ErrorKind::unsupported, "{}.mode \"{}\" is not implemented, nothing was loaded", where,
         settings.mode);
  }
  settings.bits = read("bits", mode->default_bits);
  settings.group_size = read("group_size", mode->default_group_size);
  if (!is_among(mode->bits, settings.bits)) {
    fail(ErrorKind::unsupported, "{}.bits is {}, expected {}", where, settings.bits, listed(mode->bits));
  }
  if (!is_among(mode->group_sizes, settings.group_size)) {
    fail(ErrorKind::unsupported, "{}.group_size is {}, expected {}", where, settings.group_size,
         listed(mode->group_sizes));
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

// The settings that the last axes in·bits/32 and in/group of codes and scales imply; all other axes must be
// as in `shape`. Scales of one byte are those of modes other than affine, of which `told` is one, or the only
// one that fits.
Quantization implied(const std::vector<std::int64_t>& shape, const formats::Tensor& weight,
                     const formats::Tensor& scales, const std::optional<Quantization>& told) {
  const std::int64_t in = shape.back();
  const auto fits = [&](const formats::Tensor& tensor) {
    return tensor.shape.size() == shape.size() && tensor.shape.back() > 0 &&
           std::equal(shape.begin(), shape.end() - 1, tensor.shape.begin());
  };
  const bool matrices = fits(weight) && fits(scales);
  const std::int64_t bits =
      matrices && in > 0 && weight.shape.back() <= in ? weight.shape.back() * 32 / in : 0;
  const std::int64_t group = matrices ? in / scales.shape.back() : 0;
  const bool bytes = scales.dtype == Dtype::u8;
  std::string_view found;
  for (const quant::Mode* mode : quant::modes()) {
    const bool possible =
        (mode->name == "affine") != bytes && is_among(mode->bits, bits) && is_among(mode->group_sizes, group);
    if (possible && (found.empty() || (told && told->mode == mode->name))) found = mode->name;
  }
  if (found.empty() || weight.shape.back() * 32 != in * bits || group * scales.shape.back() != in) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" of shape {} with scales {} holds no matrix {}", weight.file,
         weight.name, weight.shape_text(), scales.shape_text(), formats::shape_text(shape));
  }
  return {.mode = std::string(found), .bits = static_cast<int>(bits), .group_size = static_cast<int>(group)};
}

}  // namespace

QuantizationConfig parse_quantization(const Json& config, std::string_view subject) {
  QuantizationConfig parsed;
  for (const char* key : {"quantization", "quantization_config"}) {
    const auto member = config.find(key);
    if (member == config.end() || member->is_null()) continue;
    const std::string where = fmt::format("{}: {}", subject, key);
    if (!member->is_object()) fail(ErrorKind::corrupt, "{} is no object", where);
    const auto method = member->find("quant_method");
    if (method != member->end() && *method == "mxfp4") {  // as gpt_oss is published: the bytes are MLX's
      parsed.general = Quantization{.mode = "mxfp4", .bits = 4, .group_size = 32};
      return parsed;
    }
    if (method != member->end() && *method == "bitnet") return parsed;  // its family unpacks the weights
    if (method != member->end() && *method == "fp8") return parsed;     // decoded before (models/fp8.h)
    if (method != member->end() && !method->is_null()) {
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

graph::Weight make_weight(const std::string& name, const std::vector<std::int64_t>& shape,
                          const formats::Tensor& weight, const formats::Tensor* scales,
                          const formats::Tensor* biases, const QuantizationConfig& config) {
  const auto own = config.modules.find(name);
  const bool has_own = own != config.modules.end();
  if (scales == nullptr) {
    if (has_own && own->second) {
      fail(ErrorKind::corrupt, "{}: tensor \"{}\" has no scales, but config.json says {} bits", weight.file,
           weight.name, own->second->bits);
    }
    check_dense(weight, shape);
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
  const std::optional<Quantization>& told = has_own ? own->second : config.general;
  const Quantization found = implied(shape, weight, *scales, told);
  if (told &&
      (told->mode != found.mode || told->bits != found.bits || told->group_size != found.group_size)) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" has {} bits in groups of {}, config.json says {} and {}",
         weight.file, weight.name, found.bits, found.group_size, told->bits, told->group_size);
  }
  std::vector<std::int64_t> groups = shape;
  groups.back() /= found.group_size;
  graph::Weight made{.weight = weight, .quantization = found, .scales = *scales, .biases = {}};
  if (!mode_of(found).has_biases) {
    check_shape(*scales, groups);
    return made;
  }
  if (biases == nullptr) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}.biases\" is missing beside its scales", scales->file, name);
  }
  check_dense(*scales, groups);
  check_dense(*biases, groups);
  made.biases = *biases;
  return made;
}

}  // namespace pome::nn
