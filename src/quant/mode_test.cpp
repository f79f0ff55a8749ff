#include "quant/mode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"
#include "quant/packing.h"

namespace pome::quant {
namespace {

using Shape = std::vector<std::int64_t>;

TEST(Modes, EachIsCompleteAndNamedOnce) {
  std::set<std::string_view> names;
  for (const Mode* mode : modes()) {
    EXPECT_TRUE(names.insert(mode->name).second) << mode->name;
    EXPECT_EQ(find_mode(mode->name), mode);
    EXPECT_NE(mode->decode_row, nullptr);
    EXPECT_FALSE(mode->scale_dtypes.empty());
    EXPECT_EQ(find_layout(mode->name, mode->default_bits, mode->default_group_size, "c").mode, mode);
    for (const int group_size : mode->group_sizes) {
      EXPECT_EQ(group_size % codes_per_block, 0);
      for (const int bits : mode->bits) EXPECT_EQ(bits * group_size % 32, 0);
    }
  }
  EXPECT_EQ(find_mode("int4"), nullptr);
}

// What decode_row reads ends where the row ends: under a sanitizer any byte beyond is a fault.
TEST(Modes, DecodeReadsItsRowAndNoMore) {
  for (const Mode* mode : modes()) {
    for (const int bits : mode->bits) {
      for (const int group_size : mode->group_sizes) {
        for (const Dtype dtype : mode->scale_dtypes) {
          const std::int64_t columns = 2 * group_size;
          const std::size_t scale_bytes = 2 * static_cast<std::size_t>(dtype_bits(dtype)) / 8;
          const std::vector<std::byte> codes(static_cast<std::size_t>(packed_row_bytes(columns, bits)),
                                             std::byte{0xa5});
          const std::vector<std::byte> scales(scale_bytes, std::byte{0x3c});
          std::vector<float> out(static_cast<std::size_t>(columns), std::nanf(""));
          const std::byte* biases = mode->has_biases ? scales.data() : nullptr;
          mode->decode_row({codes.data(), scales.data(), biases, dtype, columns, bits, group_size},
                           out.data());
          for (const float value : out) EXPECT_TRUE(std::isfinite(value)) << mode->name;
        }
      }
    }
  }
}

TEST(Layouts, RefusesWhatNoModeHas) {
  const auto message = [](std::string_view mode, int bits, int group_size) -> std::string {
    try {
      find_layout(mode, bits, group_size, "config.json: quantization");
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::unsupported);
      return e.message();
    }
    return "nothing was thrown";
  };
  EXPECT_EQ(message("affine", 7, 64), "config.json: quantization: 7 bits, mode affine has 2, 3, 4, 5, 6, 8");
  EXPECT_EQ(message("affine", 4, 16), "config.json: quantization: groups of 16, mode affine has 32, 64, 128");
  EXPECT_EQ(message("mxfp4", 8, 32), "config.json: quantization: 8 bits, mode mxfp4 has 4");
  EXPECT_EQ(message("jang", 4, 64),
            "config.json: quantization: mode \"jang\" is unknown, known are affine, mxfp4, mxfp8, nvfp4");
}

struct Matrix {
  Shape weight, scales;
  Dtype scale_dtype = Dtype::bf16;
  bool biases = true;
  Dtype weight_dtype = Dtype::u32;
};

Layout infer(const Matrix& m, const Layout& configured, std::int64_t columns = 0) {
  const Part scales{m.scale_dtype, m.scales};
  return infer_layout("m.safetensors: q_proj", {m.weight_dtype, m.weight}, scales,
                      m.biases ? std::optional(scales) : std::nullopt, configured, columns);
}

std::string infer_error(const Matrix& m, const Layout& configured, std::int64_t columns = 0) {
  try {
    infer(m, configured, columns);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::corrupt);
    return e.message();
  }
  return "nothing was thrown";
}

TEST(Layouts, ConfiguredLayoutThatFitsIsTaken) {
  for (const Mode* mode : modes()) {
    for (const int bits : mode->bits) {
      for (const int group_size : mode->group_sizes) {
        const std::int64_t columns = 6 * group_size;
        const Matrix m{{5, packed_row_words(columns, bits)}, {5, 6}, mode->scale_dtypes[0], mode->has_biases};
        for (const std::int64_t known : {std::int64_t{0}, columns}) {
          const Layout found = infer(m, {mode, bits, group_size}, known);
          EXPECT_EQ(found.bits, bits);
          EXPECT_EQ(found.group_size, group_size);
        }
      }
    }
  }
}

TEST(Layouts, ShapesDecideWhereConfigDoesNotFit) {
  const Mode* affine = find_mode("affine");
  const Matrix eight{{64, 32}, {64, 2}};  // 8 bits in groups of 64, or 4 in groups of 128
  EXPECT_EQ(infer(eight, {affine, 4, 64}).bits, 8);
  EXPECT_EQ(infer(eight, {affine, 4, 128}).bits, 4);
  EXPECT_EQ(infer(eight, {affine, 4, 64}, 128).bits, 8);
  EXPECT_EQ(infer(eight, {affine, 4, 64}, 256).group_size, 128);
  EXPECT_EQ(infer(eight, {affine, 4, 128}, 128).bits, 8);
  EXPECT_EQ(
      infer_error(eight, {affine, 4, 32}),
      "m.safetensors: q_proj: weight is U32 [64, 32], scales are BF16 [64, 2]: more than one affine layout; "
      "configured are 4 bits in groups of 32");
  EXPECT_EQ(infer_error(eight, {affine, 8, 64}, 100),
            "m.safetensors: q_proj: weight is U32 [64, 32], scales are BF16 [64, 2]: no affine layout with "
            "100 inputs; "
            "configured are 8 bits in groups of 64");
  const Matrix experts{{8, 64, 24}, {8, 64, 4}};
  EXPECT_EQ(infer(experts, {affine, 4, 64}).bits, 3);
}

TEST(Layouts, RefusesContradictions) {
  const Layout four{find_mode("affine"), 4, 64};
  const Layout mx{find_mode("mxfp4"), 4, 32};
  EXPECT_EQ(infer_error({{64, 16}, {64, 2}, Dtype::bf16, true, Dtype::f16}, four),
            "m.safetensors: q_proj: weight is F16 [64, 16], packed codes are U32");
  EXPECT_EQ(infer_error({{64, 16}, {64, 2}, Dtype::u8}, four),
            "m.safetensors: q_proj: scales are U8 [64, 2], mode affine has F16, BF16, F32");
  EXPECT_EQ(infer_error({{64, 16}, {64, 2}, Dtype::bf16, false}, four),
            "m.safetensors: q_proj: without biases, mode affine has them");
  EXPECT_EQ(infer_error({{64, 16}, {64, 4}, Dtype::u8, true}, mx),
            "m.safetensors: q_proj: with biases, mode mxfp4 has none");
  for (const auto& [weight, scales] : std::vector<std::pair<Shape, Shape>>{{{64, 16}, {63, 2}},
                                                                           {{64, 16}, {2}},
                                                                           {{16}, {2}},
                                                                           {{}, {}},
                                                                           {{64, 16}, {64, 3}},
                                                                           {{0, 16}, {0, 2}},
                                                                           {{64, 0}, {64, 0}},
                                                                           {{64, 16}, {64, 0}},
                                                                           {{0, 1ll << 62}, {0, 1ll << 59}},
                                                                           {{8, 64, 16}, {64, 2}}}) {
    EXPECT_NE(infer_error({weight, scales}, four), "nothing was thrown");
  }
}

}  // namespace
}  // namespace pome::quant
