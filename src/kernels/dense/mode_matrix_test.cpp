#include "kernels/dense/mode_matrix.h"

#include <gtest/gtest.h>

#include <bit>

#include "kernels/decode/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

// Random codes and scales of 2^-3 … 2^4 in a mode's own encoding, where it stores them as bytes.
struct Weights {
  std::vector<std::byte> codes, scales;
  ModeMatrix matrix;

  Weights(const quant::Mode& mode, int rows, int columns) {
    std::mt19937 random(3);
    const int bits = mode.default_bits, group = mode.default_group_size;
    codes.resize(static_cast<std::size_t>(rows * columns / 8 * bits));
    // The codes of mxfp8 whose low seven bits are all ones are NaN.
    for (std::byte& code : codes) code = static_cast<std::byte>(random() & (bits == 8 ? 0xbf : 0xff));
    scales.resize(static_cast<std::size_t>(rows * columns / group));
    const bool e4m3 = mode.name == "nvfp4";
    for (std::byte& scale : scales) {
      scale = static_cast<std::byte>(e4m3 ? 0x30 + random() % 32 : 124 + random() % 8);
    }
    matrix = {&mode, codes.data(), scales.data(), nullptr, Dtype::u8, bits, group, rows, columns};
  }

  double at(int n, int k) const {
    const int first = k / matrix.group * matrix.group;
    std::vector<float> group(static_cast<std::size_t>(matrix.group));
    decode_row(matrix, n, first, matrix.group, group.data());
    return double{group[static_cast<std::size_t>(k - first)]};
  }
};

TEST(ModeMatrix, ProductsInFloatingModesAreCloseToFloat64) {
  for (const char* name : {"mxfp4", "mxfp8", "nvfp4"}) {
    const Weights w(*quant::find_mode(name), 19, 1024 + 96);
    for (int rows : {1, 9}) {
      const std::vector<float> x = gaussian(rows, w.matrix.columns);
      std::vector<float> y(static_cast<std::size_t>(rows * 19));
      multiply(decoded(w.matrix), x.data(), w.matrix.columns, rows, y.data(), 19, 0, 19);
      EXPECT_LE(relative_error(w, x, rows, y), 1e-6) << name;
    }
  }
}

TEST(ModeMatrix, PartsOfARowAreTheRow) {
  for (const char* name : {"mxfp4", "mxfp8", "nvfp4"}) {
    const Weights w(*quant::find_mode(name), 3, 256);
    std::vector<float> whole(256), parts(256);
    decode_row(w.matrix, 2, 0, 256, whole.data());
    for (int k = 0; k < 256; k += 64) decode_row(w.matrix, 2, k, 64, parts.data() + k);
    EXPECT_TRUE(same_bits(parts, whole)) << name;
  }
}

TEST(ModeMatrix, FloatKernelsDecodeWhatTheModeDecodes) {
  for (const char* name : {"mxfp4", "mxfp8", "nvfp4"}) {
    const quant::Mode& mode = *quant::find_mode(name);
    const int columns = 32 * 256, group = mode.default_group_size;
    std::vector<std::byte> codes(static_cast<std::size_t>(columns / 8 * mode.default_bits));
    std::vector<std::byte> scales(static_cast<std::size_t>(columns / group));
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::byte>(i * 7 + i / 256);
    for (std::size_t i = 0; i < scales.size(); ++i)
      scales[i] = static_cast<std::byte>(i);  // every one there is
    const ModeMatrix matrix = {
        &mode, codes.data(), scales.data(), nullptr, Dtype::u8, mode.default_bits, group, 1, columns};
    std::vector<float> expected(static_cast<std::size_t>(columns)), out(expected.size());
    mode.decode_row({codes.data(), scales.data(), nullptr, Dtype::u8, columns, mode.default_bits, group},
                    expected.data());
    decode_row(matrix, 0, 0, columns, out.data());
    int numbers = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (std::isnan(expected[i])) {
        EXPECT_TRUE(std::isnan(out[i])) << name << ", element " << i;
      } else {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(expected[i]))
            << name << ", " << i;
        ++numbers;
      }
    }
    EXPECT_GT(numbers, columns / 2);
  }
}

TEST(ModeMatrix, EveryLevelDecodesFloatsAlike) {
  std::vector<std::uint8_t> codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  std::vector<float> scales = gaussian(1, 32);
  for (int group : {16, 32}) {
    std::vector<float> four(512), eight(256);
    decode::rows().front().e2m1(codes.data(), scales.data(), group, 512, four.data());
    decode::rows().front().e4m3(codes.data(), scales.data(), group, 256, eight.data());
    for (const decode::Row* row : executable(decode::rows())) {
      std::vector<float> out(512);
      row->e2m1(codes.data(), scales.data(), group, 512, out.data());
      EXPECT_TRUE(same_bits(out, four)) << isa_name(row->isa);
      out.resize(256);
      row->e4m3(codes.data(), scales.data(), group, 256, out.data());
      for (std::size_t i = 0; i < 256; ++i) {
        EXPECT_TRUE(std::isnan(eight[i])
                        ? std::isnan(out[i])
                        : std::bit_cast<std::uint32_t>(out[i]) == std::bit_cast<std::uint32_t>(eight[i]))
            << isa_name(row->isa) << ", code " << i;
      }
    }
  }
}

TEST(ModeMatrix, AffineKernelsDecodeWhatTheModeDecodes) {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (Element type : {Element::f16, Element::bf16, Element::f32}) {
      const RandomQuantized w(5, 320, bits, 64, type, 1);
      const Dtype dtype = type == Element::f16    ? Dtype::f16
                          : type == Element::bf16 ? Dtype::bf16
                                                  : Dtype::f32;
      const ModeMatrix matrix = {quant::find_mode("affine"),
                                 reinterpret_cast<const std::byte*>(w.matrix.codes),
                                 static_cast<const std::byte*>(w.matrix.scales),
                                 static_cast<const std::byte*>(w.matrix.biases),
                                 dtype,
                                 bits,
                                 64,
                                 5,
                                 320};
      for (int n = 0; n < 5; ++n) {
        std::vector<float> expected(320), out(320);
        decode_row(matrix, n, 0, 320, expected.data());
        for (const decode::Row* row : executable(decode::rows())) {
          row->affine(w.matrix, n, 0, 320, out.data());
          EXPECT_TRUE(same_bits(out, expected)) << isa_name(row->isa) << ", " << bits << " bits";
        }
      }
    }
  }
}

}  // namespace
}  // namespace pome::kernels
