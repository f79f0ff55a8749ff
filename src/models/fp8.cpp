#include "models/fp8.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.h"
#include "base/thread_pool.h"
#include "base/threads.h"
#include "nn/dense.h"
#include "quant/small_floats.h"

namespace pome::models {
namespace {

constexpr std::string_view scale_suffix = "_scale_inv";

bool is_scale(std::string_view name) {
  return name.ends_with(scale_suffix) || name.ends_with(".activation_scale") ||
         name.ends_with(".input_scale");
}

const formats::Tensor* scales_of(const formats::TensorTable& tensors, const formats::Tensor& weight) {
  return weight.dtype == Dtype::f8_e4m3 ? tensors.find(weight.name + std::string(scale_suffix)) : nullptr;
}

// A weight as matrices [rows, columns] one after the other, each under a grid of scales.
struct Blocks {
  std::int64_t matrices = 1, rows = 1, columns = 1;
  std::int64_t high = 1, wide = 1;  // of a block
  std::int64_t grid_rows() const { return (rows + high - 1) / high; }
  std::int64_t grid_columns() const { return (columns + wide - 1) / wide; }
};

Blocks blocks_of(const formats::Tensor& weight, const formats::Tensor& scales, const Fp8& settings) {
  Blocks b;
  const std::vector<std::int64_t>& shape = weight.shape;
  if (!shape.empty()) b.columns = shape.back();
  if (shape.size() > 1) b.rows = shape[shape.size() - 2];
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) b.matrices *= shape[i];
  b.high = std::max<std::int64_t>(b.rows, 1);
  b.wide = std::max<std::int64_t>(b.columns, 1);
  const std::int64_t count = scales.elements();
  if (count == b.matrices) return b;
  if (settings.block_rows > 0) {
    b.high = settings.block_rows;
    b.wide = settings.block_columns;
  } else {
    b.high = 1;
  }
  if (count != b.matrices * b.grid_rows() * b.grid_columns()) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {}, expected {} scales for {} in blocks of {} by {}",
         scales.file, scales.name, scales.shape_text(), b.matrices * b.grid_rows() * b.grid_columns(),
         weight.shape_text(), b.high, b.wide);
  }
  return b;
}

// Each code times one scale, as BF16.
std::array<std::uint16_t, 256> products(float scale) {
  std::array<std::uint16_t, 256> table{};
  for (std::size_t code = 0; code < table.size(); ++code) {
    table[code] = f32_to_bf16(quant::e4m3_to_f32(static_cast<std::uint8_t>(code)) * scale);
  }
  return table;
}

formats::Tensor decoded(const formats::Tensor& weight, const formats::Tensor& scales, const Fp8& settings,
                        ThreadPool* pool) {
  const auto count = static_cast<std::size_t>(weight.elements());
  if (count == 0) fail(ErrorKind::corrupt, "{}: tensor \"{}\" is empty", weight.file, weight.name);
  const Blocks b = blocks_of(weight, scales, settings);
  // Large zeroed memory costs nothing before it is written.
  const std::shared_ptr<void> owner(std::calloc(count, sizeof(std::uint16_t)), std::free);
  if (owner == nullptr) {
    fail(ErrorKind::resource, "{}: no memory for the {} elements of \"{}\"", weight.file, count, weight.name);
  }
  formats::Tensor made = weight;
  made.dtype = Dtype::bf16;
  made.size_bytes = count * sizeof(std::uint16_t);
  made.data = static_cast<const std::byte*>(owner.get());
  made.owner = owner;
  if (pool == nullptr) return made;
  auto* values = static_cast<std::uint16_t*>(owner.get());
  const std::vector<float> factors = nn::to_floats(scales);
  const auto* codes = reinterpret_cast<const std::uint8_t*>(weight.data);
  const auto decode_row_of_blocks = [&](std::int64_t index) {
    const std::int64_t matrix = index / b.grid_rows(), first = index % b.grid_rows() * b.high;
    const std::int64_t last = std::min(first + b.high, b.rows);
    for (std::int64_t g = 0; g < b.grid_columns(); ++g) {
      const auto table = products(factors[static_cast<std::size_t>(index * b.grid_columns() + g)]);
      const std::int64_t begin = g * b.wide, end = std::min(begin + b.wide, b.columns);
      for (std::int64_t row = first; row < last; ++row) {
        const std::int64_t at = (matrix * b.rows + row) * b.columns;
        for (std::int64_t i = at + begin; i < at + end; ++i) values[i] = table[codes[i]];
      }
    }
  };
  pool->run(b.matrices * b.grid_rows(), 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t index = begin; index < end; ++index) decode_row_of_blocks(index);
  });
  return made;
}

const Json* settings_of(const Json& config) {
  const auto member = config.find("quantization_config");
  return member != config.end() && member->is_object() && member->contains("quant_method") ? &*member
                                                                                           : nullptr;
}

}  // namespace

bool is_fp8(const Json& config) {
  const Json* settings = settings_of(config);
  return settings != nullptr && settings->at("quant_method") == "fp8";
}

Fp8 parse_fp8(const Json& config, std::string_view subject) {
  const Json& settings = *settings_of(config);
  const auto format = json_value<std::string>(settings, "fmt", "e4m3");
  if (format != "e4m3" && format != "float8_e4m3fn") {
    fail(ErrorKind::unsupported, "{}: quantization_config.fmt \"{}\" is not implemented; nothing was loaded",
         subject, format);
  }
  Fp8 fp8;
  const auto size = settings.find("weight_block_size");
  if (size == settings.end() || size->is_null()) return fp8;
  const auto count = [&](std::size_t i) {
    const auto value =
        size->is_array() && size->size() == 2 ? json_as<int>((*size)[i], "weight_block_size") : 0;
    if (value < 1 || value > 1 << 20) {
      fail(ErrorKind::corrupt, "{}: quantization_config.weight_block_size is {}, expected rows and columns",
           subject, size->dump());
    }
    return value;
  };
  fp8.block_rows = count(0);
  fp8.block_columns = count(1);
  return fp8;
}

std::uint64_t decoded_bytes(const formats::TensorTable& tensors) {
  std::uint64_t bytes = 0;
  for (const formats::Tensor& tensor : tensors) {
    if (scales_of(tensors, tensor) != nullptr) bytes += 2 * tensor.size_bytes;
  }
  return bytes;
}

formats::TensorTable decode_fp8(const formats::TensorTable& tensors, const Fp8& settings, bool values) {
  std::optional<ThreadPool> pool;
  if (values) pool.emplace(threads());
  formats::TensorTable table(tensors.source());
  for (const formats::Tensor& tensor : tensors) {
    if (is_scale(tensor.name)) continue;
    const formats::Tensor* scales = scales_of(tensors, tensor);
    table.add(scales == nullptr ? tensor : decoded(tensor, *scales, settings, pool ? &*pool : nullptr));
  }
  return table;
}

}  // namespace pome::models
