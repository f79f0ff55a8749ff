#include "kernels/dense/dense.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/dense/levels.h"
#include "kernels/dense/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using dense::Row;

template <class Matrix>
std::vector<float> product(const Row& row, const Matrix& w, const std::vector<float>& x, int rows,
                           int step = 1 << 20) {
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(w.rows), 99.0f);
  for (int n = 0; n < w.rows; n += step) {
    dense::multiply(row, w, x.data(), w.columns, rows, y.data(), w.rows, n, std::min(n + step, w.rows));
  }
  return y;
}

const Row& scalar() { return dense::rows().front(); }

TEST(Dense, ScalarTwinIsCloseToFloat64) {
  for (Element type : {Element::f16, Element::bf16, Element::f32}) {
    const RandomDense w(20, 3000, type);
    const std::vector<float> x = gaussian(2, 3000, true);
    EXPECT_LE(relative_error(w, x, 2, product(scalar(), w.matrix, x, 2)), 1e-6);
  }
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    const RandomQuantized w(20, 2048, bits, 64, Element::bf16);
    const std::vector<float> x = gaussian(2, 2048, true);
    EXPECT_LE(relative_error(w, x, 2, product(scalar(), decoded(w.matrix), x, 2)), 2e-6) << bits << " bits";
  }
}

TEST(Dense, EveryLevelEqualsTheScalarTwin) {
  for (const Row* row : executable(dense::rows())) {
    for (Element type : {Element::f16, Element::bf16, Element::f32}) {
      for (int columns : {1, 5, 16, 100, 1024, 1033, 2500}) {
        const RandomDense w(37, columns, type, 1);
        for (int rows : {1, 2, 3, 7, 13}) {
          const std::vector<float> x = gaussian(rows, columns, true);
          ASSERT_TRUE(same_bits(product(*row, w.matrix, x, rows), product(scalar(), w.matrix, x, rows)))
              << isa_name(row->isa) << ", type " << static_cast<int>(type) << ", K " << columns << ", M "
              << rows;
        }
      }
    }
    for (int bits : {3, 4, 8}) {
      const RandomQuantized w(37, 1024 + 96, bits, 32, Element::bf16);
      for (int rows : {1, 2, 9}) {
        const std::vector<float> x = gaussian(rows, 1024 + 96);
        EXPECT_TRUE(same_bits(product(*row, decoded(w.matrix), x, rows),
                              product(scalar(), decoded(w.matrix), x, rows)))
            << isa_name(row->isa) << ", " << bits << " bits, M " << rows;
      }
    }
  }
}

TEST(Dense, ARowHasTheSameBitsInEveryBatchAndSplit) {
  for (const Row* row : executable(dense::rows())) {
    if (row->isa == Isa::scalar) continue;
    const RandomDense w(51, 1500, Element::bf16);
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

TEST(Dense, DecodedFloatsGiveTheBitsOfStoredOnes) {
  const RandomDense w(19, 1100, Element::f16);
  const std::vector<float> x = gaussian(1, 1100);
  for (const Row* row : executable(dense::rows())) {
    EXPECT_TRUE(same_bits(product(*row, w.matrix, x, 1), product(*row, decoded(w.matrix), x, 1)));
  }
}

using dense::Bf16Row;

std::vector<float> bf16_product(const Bf16Row& row, const DenseMatrix& w, const std::vector<float>& x,
                                int rows, int step = 1 << 20) {
  const ActivationFormat format = dense::bf16_format;
  std::vector<std::byte> memory(activation_bytes(format, rows, w.columns) + 64);
  const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
  const Activations a = lay_out_activations(format, rows, w.columns, reinterpret_cast<void*>(address));
  for (int m = 0; m < rows; ++m) row.round(x.data() + std::int64_t{m} * w.columns, a, m);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(w.rows), 99.0f);
  for (int n = 0; n < w.rows; n += step) {
    row.multiply(w, a, y.data(), w.rows, n, std::min(n + step, w.rows));
  }
  return y;
}

const Bf16Row& bf16_scalar() { return dense::bf16_rows().front(); }

TEST(DenseBf16, ScalarTwinsAreCloseToFloat64) {
  const RandomDense w(20, 3000, Element::bf16);
  for (auto* multiply : {dense::scalar::multiply, dense::scalar::multiply_twos}) {
    const Bf16Row twin = {Isa::scalar, dense::scalar::round, multiply};
    for (bool outliers : {false, true}) {
      const std::vector<float> x = gaussian(2, 3000, outliers);
      EXPECT_LE(relative_error(w, x, 2, bf16_product(twin, w.matrix, x, 2)), 3e-3);
    }
  }
}

TEST(DenseBf16, EveryLevelEqualsTheScalarTwin) {
  for (const Bf16Row* row : executable(dense::bf16_rows())) {
    for (int columns : {1, 5, 32, 100, 1024, 1033, 2500}) {
      const RandomDense w(37, columns, Element::bf16, 1);
      for (int rows : {1, 2, 3, 4, 5, 7, 12}) {
        const std::vector<float> x = gaussian(rows, columns, true);
        ASSERT_TRUE(
            same_bits(bf16_product(*row, w.matrix, x, rows), bf16_product(bf16_scalar(), w.matrix, x, rows)))
            << isa_name(row->isa) << ", K " << columns << ", M " << rows;
      }
    }
  }
}

TEST(DenseBf16, NumbersNearZeroAreTreatedAlike) {
  RandomDense w(16, 512, Element::bf16);
  std::mt19937 random(5);
  const auto tiny = [&] { return static_cast<int>(random() % 60) - 130; };
  for (std::size_t i = 0; i < 16 * 512; ++i) {
    put_element(w.data.data(), i, Element::bf16,
                std::ldexp(get_element(w.data.data(), static_cast<std::int64_t>(i), Element::bf16), tiny()));
  }
  std::vector<float> x = gaussian(3, 512);
  for (float& v : x) v = std::ldexp(v, tiny());
  for (const Bf16Row* row : executable(dense::bf16_rows())) {
    EXPECT_TRUE(same_bits(bf16_product(*row, w.matrix, x, 3), bf16_product(bf16_scalar(), w.matrix, x, 3)))
        << isa_name(row->isa);
  }
}

TEST(DenseBf16, ARowHasTheSameBitsInEveryBatchAndSplit) {
  for (const Bf16Row* row : executable(dense::bf16_rows())) {
    if (row->isa == Isa::scalar) continue;
    const RandomDense w(51, 1500, Element::bf16);
    const std::vector<float> x = gaussian(40, 1500);
    const std::vector<float> all = bf16_product(*row, w.matrix, x, 40);
    for (int rows = 1; rows < 40; ++rows) {
      for (int step : {1, 7, 33, 64}) {
        const std::vector<float> some = bf16_product(*row, w.matrix, x, rows, step);
        ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
            << isa_name(row->isa) << ", M " << rows << ", step " << step;
      }
    }
  }
}

TEST(Dense, ManyOutputsMeetIntegersAndFewFloats) {
  for (Element type : {Element::f16, Element::bf16, Element::f32}) {
    const RandomDense w(600, 700, type), few(512, 700, type);
    EXPECT_FALSE(activation_format(few.matrix, Precision::standard, 5));
    const auto format = activation_format(w.matrix, Precision::standard, 5);
    ASSERT_EQ(format.has_value(), type != Element::f32);
    if (!format) continue;
    const std::vector<float> x = gaussian(5, 700);
    std::vector<std::byte> memory(activation_bytes(*format, 5, 700) + 64);
    const auto address = (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64;
    const Activations a = lay_out_activations(*format, 5, 700, reinterpret_cast<void*>(address));
    quantize_activations(x.data(), 700, a, 0, 5);
    std::vector<float> y(std::size_t{5} * 600);
    multiply(w.matrix, a, y.data(), 600, 0, 600);
    EXPECT_LE(relative_error(w, x, 5, y), 1e-4);
  }
}

TEST(Dense, ThreadsDoNotChangeBits) {
  const RandomDense w(515, 700, Element::bf16);
  for (int rows : {1, 17}) {
    const std::vector<float> x = gaussian(rows, 700);
    const std::vector<float> expected = product(scalar(), w.matrix, x, rows);
    for (int threads = 1; threads <= 4; ++threads) {
      ThreadPool pool(threads);
      std::vector<float> y(expected.size());
      multiply(pool, w.matrix, x.data(), 700, rows, y.data(), 515);
      EXPECT_TRUE(same_bits(y, expected)) << threads << " threads, M " << rows;
    }
  }
}

}  // namespace
}  // namespace pome::kernels
