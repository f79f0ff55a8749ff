#include "kernels/blockfloat/blockfloat.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/blockfloat/levels.h"
#include "kernels/blockfloat/row.h"
#include "kernels/test_data.h"
#include "quant/small_floats.h"

namespace pome::kernels {
namespace {

using blockfloat::Row;
using blockfloat::Stored;

constexpr Stored all_stored[] = {Stored::f16, Stored::bf16, Stored::e4m3};

// Standard normal weights, or random codes with scales of 2^-3 … 2^4, `misalignment` bytes past an allocation
// that ends with them.
struct Weights {
  std::vector<std::uint8_t> data, scales;
  BlockFloatMatrix matrix;

  Weights(Stored stored, int rows, int columns, int misalignment = 0) {
    const auto offset = static_cast<std::size_t>(misalignment);
    if (stored == Stored::e4m3) {
      std::mt19937 random(3);
      data.resize(offset + static_cast<std::size_t>(rows * columns));
      scales.resize(offset + static_cast<std::size_t>(rows * columns / 32));
      // Of no code the lower seven bits are all ones, which is NaN.
      for (std::uint8_t& code : data) code = static_cast<std::uint8_t>(random() & 0xbf);
      for (std::uint8_t& scale : scales) scale = static_cast<std::uint8_t>(124 + random() % 8);
    } else {
      data =
          RandomDense(rows, columns, stored == Stored::f16 ? Element::f16 : Element::bf16, misalignment).data;
    }
    matrix = {data.data() + offset, scales.empty() ? nullptr : scales.data() + offset, stored, rows, columns};
  }

  double at(int n, int k) const {
    const std::int64_t i = std::int64_t{n} * matrix.columns + k;
    if (matrix.stored == Stored::e4m3) {
      return double{quant::e4m3_to_f32(matrix.data[i])} * double{quant::e8m0_to_f32(matrix.scales[i / 32])};
    }
    return double{get_element(matrix.data, i, matrix.stored == Stored::f16 ? Element::f16 : Element::bf16)};
  }
};

std::vector<float> product(const Row& row, const BlockFloatMatrix& w, const std::vector<float>& x, int rows,
                           int step = 1 << 20, bool pairs = true) {
  ActivationFormat format = activation_format(row, w, rows);
  format.pairs = format.pairs && pairs;
  std::vector<std::byte> memory(activation_bytes(format, rows, w.columns) + 64);
  const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
  const Activations a = lay_out_activations(format, rows, w.columns, reinterpret_cast<void*>(address));
  for (int m = 0; m < rows; ++m) row.quantize(x.data() + std::int64_t{m} * w.columns, a, m);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(w.rows), 99.0f);
  for (int n = 0; n < w.rows; n += step) {
    multiply(row, w, a, y.data(), w.rows, n, std::min(n + step, w.rows));
  }
  return y;
}

const Row& scalar() { return blockfloat::rows().front(); }

TEST(BlockFloat, ScalarTwinIsCloseToFloat64) {
  for (Stored stored : all_stored) {
    const Weights w(stored, 24, 2048 + 96);
    for (bool outliers : {false, true}) {
      const std::vector<float> x = gaussian(2, w.matrix.columns, outliers);
      const double error = relative_error(w, x, 2, product(scalar(), w.matrix, x, 2));
      EXPECT_LE(error, outliers ? 2e-4 : 1e-4) << static_cast<int>(stored);
      RecordProperty("error_" + std::to_string(static_cast<int>(stored)) + (outliers ? "_outliers" : ""),
                     std::to_string(error));
    }
  }
}

TEST(BlockFloat, EveryLevelEqualsTheScalarTwin) {
  for (const Row* row : executable(blockfloat::rows())) {
    for (Stored stored : all_stored) {
      for (int columns : {1, 5, 32, 100, 512, 544, 1033, 2500}) {
        if (stored == Stored::e4m3) columns = (columns + 31) / 32 * 32;
        const Weights w(stored, 37, columns, 1);
        for (int rows : {1, 2, 3, 5, 7, 13}) {
          const std::vector<float> x = gaussian(rows, columns, true);
          const std::vector<float> expected = product(scalar(), w.matrix, x, rows);
          for (bool pairs : {false, true}) {
            ASSERT_TRUE(same_bits(product(*row, w.matrix, x, rows, 1 << 20, pairs), expected))
                << isa_name(row->isa) << ", stored " << static_cast<int>(stored) << ", K " << columns
                << ", M " << rows << (pairs ? ", pairs" : "");
          }
        }
      }
    }
  }
}

TEST(BlockFloat, ARowHasTheSameBitsInEveryBatchAndSplit) {
  for (const Row* row : executable(blockfloat::rows())) {
    if (row->isa == Isa::scalar) continue;
    const Weights w(Stored::bf16, 51, 1500);
    const std::vector<float> x = gaussian(40, 1500);
    const std::vector<float> all = product(*row, w.matrix, x, 40);
    for (int rows = 1; rows < 40; ++rows) {
      for (int step : {1, 7, 33, 64}) {
        const std::vector<float> some = product(*row, w.matrix, x, rows, step);
        ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
            << isa_name(row->isa) << ", M " << rows << ", step " << step;
      }
    }
  }
}

TEST(BlockFloat, LargestNumbersDoNotOverflow) {
  // Sums as large as they may become, of either sign, and pairs whose sums are words to the last bit.
  for (Stored stored : {Stored::f16, Stored::bf16}) {
    Weights w(stored, 4, 1024);
    const float most = stored == Stored::f16 ? 65504.0f : 255.0f;
    const Element type = stored == Stored::f16 ? Element::f16 : Element::bf16;
    for (std::size_t i = 0; i < 4 * 1024; ++i) {
      put_element(w.data.data(), i, type, i / 1024 % 2 == 0 ? most : -most);
    }
    for (const Row* row : executable(blockfloat::rows())) {
      for (int rows : {1, 3}) {
        for (float one : {1.0f, -3.0f}) {
          const std::vector<float> x(static_cast<std::size_t>(rows) * 1024, one);
          const std::vector<float> y = product(*row, w.matrix, x, rows);
          EXPECT_LE(relative_error(w, x, rows, y), 1e-4) << isa_name(row->isa);
          EXPECT_TRUE(same_bits(y, product(scalar(), w.matrix, x, rows))) << isa_name(row->isa);
        }
      }
    }
  }
}

TEST(BlockFloat, NumbersNearTheEndsOfTheRangeAreTreatedAlike) {
  for (Stored stored : {Stored::f16, Stored::bf16}) {
    const Element type = stored == Stored::f16 ? Element::f16 : Element::bf16;
    Weights w(stored, 16, 1024);
    std::mt19937 random(5);
    for (int spread : {0, 60, 250}) {
      const auto power = [&](int i) {
        return spread == 0 ? -i / 128 * 16
                           : static_cast<int>(random() % static_cast<unsigned>(spread)) - spread / 2;
      };
      for (int i = 0; i < 16 * 1024; ++i) {
        const float value = std::ldexp(get_element(w.data.data(), i, Element::bf16), power(i % 1024));
        put_element(w.data.data(), static_cast<std::size_t>(i), type, std::isfinite(value) ? value : 1.0f);
      }
      std::vector<float> x = gaussian(3, 1024);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::ldexp(x[i], power(static_cast<int>(i % 1024)));
      for (const Row* row : executable(blockfloat::rows())) {
        for (int rows : {1, 3}) {
          EXPECT_TRUE(same_bits(product(*row, w.matrix, x, rows), product(scalar(), w.matrix, x, rows)))
              << isa_name(row->isa) << ", spread " << spread;
        }
      }
    }
  }
}

TEST(BlockFloat, WhatIsNotFiniteGivesNan) {
  for (Stored stored : {Stored::f16, Stored::bf16}) {
    const Element type = stored == Stored::f16 ? Element::f16 : Element::bf16;
    for (float odd : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()}) {
      for (const Row* row : executable(blockfloat::rows())) {
        for (int rows : {1, 3}) {
          Weights w(stored, 2, 600);
          const std::vector<float> x = gaussian(rows, 600);
          put_element(w.data.data(), 600 + 577, type, odd);
          const std::vector<float> y = product(*row, w.matrix, x, rows);
          EXPECT_FALSE(std::isnan(y[0])) << isa_name(row->isa);
          EXPECT_TRUE(std::isnan(y[1])) << isa_name(row->isa);
          std::vector<float> bad = x;
          bad[130] = odd;
          const std::vector<float> z = product(*row, Weights(stored, 2, 600).matrix, bad, rows);
          EXPECT_TRUE(std::isnan(z[0]) && std::isnan(z[1])) << isa_name(row->isa);
        }
      }
    }
  }
}

}  // namespace
}  // namespace pome::kernels
