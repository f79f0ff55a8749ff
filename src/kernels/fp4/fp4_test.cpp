#include "kernels/fp4/fp4.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/fp4/row.h"
#include "kernels/test_data.h"
#include "quant/small_floats.h"

namespace pome::kernels {
namespace {

using fp4::Row;

// Random codes and scales of 2^-3 … 2^4, `misalignment` bytes past an allocation that ends with them.
struct Weights {
  std::vector<std::uint8_t> codes, scales;
  Fp4Matrix matrix;

  Weights(int rows, int columns, int group, int misalignment = 0) {
    std::mt19937 random(3);
    const auto offset = static_cast<std::size_t>(misalignment);
    codes.resize(offset + static_cast<std::size_t>(rows * columns / 2));
    scales.resize(offset + static_cast<std::size_t>(rows * columns / group));
    for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random());
    for (std::uint8_t& scale : scales) {
      scale = static_cast<std::uint8_t>(group == 16 ? 0x28 + random() % 32 + random() % 2 * 128
                                                    : 124 + random() % 8);
    }
    matrix = {codes.data() + offset, scales.data() + offset, group, rows, columns};
  }

  double at(int n, int k) const {
    const int element = n * matrix.columns + k;
    const std::uint8_t code = matrix.codes[element / 2] >> element % 2 * 4 & 15;
    const std::uint8_t scale = matrix.scales[element / matrix.group];
    return double{quant::e2m1_values[code]} *
           double{matrix.group == 16 ? quant::e4m3_to_f32(scale) : quant::e8m0_to_f32(scale)};
  }
};

std::vector<float> product(const Row& row, const Fp4Matrix& w, const std::vector<float>& x, int rows,
                           Precision precision = Precision::standard, int step = 1 << 20) {
  const ActivationFormat format = fp4::format(precision);
  std::vector<std::byte> memory(activation_bytes(format, rows, w.columns) + 64);
  const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
  const Activations a = lay_out_activations(format, rows, w.columns, reinterpret_cast<void*>(address));
  for (int m = 0; m < rows; ++m) row.quantize(x.data() + std::int64_t{m} * w.columns, a, m);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(w.rows), 99.0f);
  for (int n = 0; n < w.rows; n += step) {
    row.multiply(w, a, y.data(), w.rows, n, std::min(n + step, w.rows));
  }
  return y;
}

const Row& scalar() { return fp4::rows().front(); }

TEST(Fp4, ScalarTwinIsCloseToFloat64) {
  for (int group : {16, 32}) {
    const Weights w(24, 2048 + 96, group);
    for (bool outliers : {false, true}) {
      const std::vector<float> x = gaussian(2, w.matrix.columns, outliers);
      EXPECT_LE(relative_error(w, x, 2, product(scalar(), w.matrix, x, 2)), outliers ? 2e-4 : 1e-4);
      EXPECT_LE(relative_error(w, x, 2, product(scalar(), w.matrix, x, 2, Precision::fast)),
                outliers ? 3e-2 : 1e-2);
    }
  }
}

TEST(Fp4, EveryLevelEqualsTheScalarTwin) {
  for (const Row* row : executable(fp4::rows())) {
    for (int group : {16, 32}) {
      for (Precision precision : {Precision::standard, Precision::fast}) {
        for (int columns : {group, 3 * group, 128, 1024, 1024 + 5 * group}) {
          const Weights w(37, columns, group, 1);
          for (int rows : {1, 2, 3, 4, 5, 7, 12}) {
            const std::vector<float> x = gaussian(rows, columns, true);
            ASSERT_TRUE(same_bits(product(*row, w.matrix, x, rows, precision),
                                  product(scalar(), w.matrix, x, rows, precision)))
                << isa_name(row->isa) << ", group " << group << ", K " << columns << ", M " << rows;
          }
        }
      }
    }
  }
}

TEST(Fp4, ScalesOfEveryKindAreTheTwins) {
  for (int group : {16, 32}) {
    Weights w(2, 128 * group, group);
    for (std::size_t i = 0; i < w.scales.size(); ++i) w.scales[i] = static_cast<std::uint8_t>(i);
    const std::vector<float> x = gaussian(1, w.matrix.columns);
    for (int group_of_w = 0; group_of_w < 256; group_of_w += 2) {
      // One group's worth of columns at a time: a single NaN would hide the others.
      Fp4Matrix part = {w.codes.data(), w.scales.data() + group_of_w, group, 1, 2 * group};
      const std::vector<float> some(x.begin(), x.begin() + 2 * group);
      const std::vector<float> expected = product(scalar(), part, some, 1);
      for (const Row* row : executable(fp4::rows())) {
        const std::vector<float> y = product(*row, part, some, 1);
        EXPECT_TRUE(same_bits(y, expected) || (std::isnan(y[0]) && std::isnan(expected[0])))
            << isa_name(row->isa) << ", scale " << group_of_w;
      }
    }
  }
}

TEST(Fp4, ARowHasTheSameBitsInEveryBatchAndSplit) {
  for (const Row* row : executable(fp4::rows())) {
    if (row->isa == Isa::scalar) continue;
    const Weights w(75, 1024 + 320, 32);
    const std::vector<float> x = gaussian(40, w.matrix.columns);
    const std::vector<float> all = product(*row, w.matrix, x, 40);
    for (int rows = 1; rows < 40; ++rows) {
      for (int step : {1, 7, 33, 64}) {
        const std::vector<float> some = product(*row, w.matrix, x, rows, Precision::standard, step);
        ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
            << isa_name(row->isa) << ", M " << rows << ", step " << step;
      }
    }
  }
}

TEST(Fp4, ActivationsThatAreNotFiniteGiveNaN) {
  const Weights w(5, 256, 32);
  for (const Row* row : executable(fp4::rows())) {
    for (float bad : {std::nanf(""), INFINITY, -INFINITY}) {
      std::vector<float> x = gaussian(6, 256);
      x[70] = bad;
      const std::vector<float> y = product(*row, w.matrix, x, 6);
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(std::isnan(y[i]), i < 5) << isa_name(row->isa) << " " << i;
    }
  }
}

TEST(Fp4, ViewsItsTwoModesOnly) {
  for (const char* name : {"mxfp4", "nvfp4", "mxfp8", "affine"}) {
    const quant::Mode& mode = *quant::find_mode(name);
    ModeMatrix matrix;
    matrix.mode = &mode;
    matrix.group = mode.default_group_size;
    EXPECT_EQ(fp4_view(matrix).has_value(), std::string_view(name).ends_with("fp4")) << name;
  }
}

}  // namespace
}  // namespace pome::kernels
