// The quant room against MLX, on files that MLX wrote (tools/golden/quant.py); here because quant reads no
// files.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "formats/safetensors.h"
#include "quant/affine.h"
#include "quant/packing.h"

namespace pome::formats {
namespace {

SafetensorsFile golden(std::string_view name) {
  return open_safetensors(fs::path(POME_SOURCE_DIR) / "tests/golden/quant" / name);
}

std::vector<float> floats(const Tensor& tensor) {
  EXPECT_EQ(tensor.dtype, Dtype::f32);
  std::vector<float> values(tensor.size_bytes / 4);
  std::memcpy(values.data(), tensor.data, tensor.size_bytes);
  return values;
}

std::vector<float> decode_all(const TensorTable& table, const std::string& name,
                              const quant::Layout& layout) {
  const Tensor& weight = table.at(name + ".weight");
  const Tensor& scales = table.at(name + ".scales");
  const Tensor* biases = table.find(name + ".biases");
  const auto part = [](const Tensor& t) { return quant::Part{t.dtype, t.shape}; };
  const quant::Layout found =
      quant::infer_layout(name, part(weight), part(scales),
                          biases != nullptr ? std::optional(part(*biases)) : std::nullopt, layout);
  EXPECT_EQ(found.bits, layout.bits) << name;
  EXPECT_EQ(found.group_size, layout.group_size) << name;
  const std::int64_t columns = weight.shape[1] * 32 / layout.bits;
  std::vector<float> out(static_cast<std::size_t>(weight.shape[0] * columns));
  for (std::int64_t i = 0; i < weight.shape[0]; ++i) {
    layout.mode->decode_row({weight.slice_rows(i, 1).data, scales.slice_rows(i, 1).data,
                             biases != nullptr ? biases->slice_rows(i, 1).data : nullptr, scales.dtype,
                             columns, layout.bits, layout.group_size},
                            out.data() + i * columns);
  }
  return out;
}

// Bit for bit, but any NaN is like any other.
void expect_same(const std::vector<float>& found, const std::vector<float>& expected,
                 const std::string& name) {
  ASSERT_EQ(found.size(), expected.size()) << name;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(found[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << name << ", element " << i << ": " << found[i] << ", MLX has " << expected[i];
  }
}

TEST(QuantGolden, AffineDecodesAsMlx) {
  const SafetensorsFile file = golden("affine.safetensors");
  const quant::Mode& mode = quant::affine;
  for (const int bits : mode.bits) {
    for (const int group_size : mode.group_sizes) {
      const std::string name = fmt::format("b{}g{}", bits, group_size);
      expect_same(decode_all(file.tensors, name, {&mode, bits, group_size}),
                  floats(file.tensors.at(name + ".decoded")), name);
    }
  }
  for (const std::string name : {"half", "brain"}) {
    expect_same(decode_all(file.tensors, name, {&mode, 4, 64}), floats(file.tensors.at(name + ".decoded")),
                name);
  }
}

TEST(QuantGolden, AffineQuantizesAsMlx) {
  const SafetensorsFile file = golden("affine.safetensors");
  const std::vector<float> weights = floats(file.tensors.at("weights"));
  const std::int64_t columns = file.tensors.at("weights").shape[1];
  for (const int bits : quant::affine.bits) {
    for (const int group_size : quant::affine.group_sizes) {
      const std::string name = fmt::format("b{}g{}", bits, group_size);
      const Tensor& packed = file.tensors.at(name + ".weight");
      const std::vector<float> scales = floats(file.tensors.at(name + ".scales"));
      const std::vector<float> biases = floats(file.tensors.at(name + ".biases"));
      std::vector<std::uint8_t> codes(weights.size());
      std::vector<float> our_scales(scales.size());
      std::vector<float> our_biases(biases.size());
      // All rows at once: groups do not cross rows.
      quant::affine_quantize_row(weights.data(), static_cast<std::int64_t>(weights.size()), bits, group_size,
                                 codes.data(), our_scales.data(), our_biases.data());
      expect_same(our_scales, scales, name + ".scales");
      expect_same(our_biases, biases, name + ".biases");
      std::vector<std::byte> our_packed(packed.size_bytes);
      for (std::int64_t row = 0; row < packed.shape[0]; ++row) {
        quant::pack_codes(codes.data() + row * columns, bits, columns,
                          our_packed.data() + row * quant::packed_row_bytes(columns, bits));
      }
      EXPECT_EQ(std::memcmp(our_packed.data(), packed.data, packed.size_bytes), 0) << name;
    }
  }
}

TEST(QuantGolden, SmallFloatsDecodeAsMlx) {
  const SafetensorsFile file = golden("fp.safetensors");
  for (const std::string_view name : {"mxfp4", "mxfp8", "nvfp4"}) {
    const quant::Mode* mode = quant::find_mode(name);
    for (const std::string& tensor : {std::string(name), fmt::format("{}.quantized", name)}) {
      expect_same(decode_all(file.tensors, tensor, {mode, mode->default_bits, mode->default_group_size}),
                  floats(file.tensors.at(tensor + ".decoded")), tensor);
    }
  }
}

}  // namespace
}  // namespace pome::formats
