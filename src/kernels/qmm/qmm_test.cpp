#include "kernels/qmm/qmm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/qmm/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using qmm::Row;

using Weights = RandomQuantized;

struct AlignedBytes {
  explicit AlignedBytes(std::size_t size) : bytes(size + 64) {}
  void* get() {
    return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }
  std::vector<std::uint8_t> bytes;
};

std::vector<float> product(const Row& row, const QuantizedMatrix& w, const std::vector<float>& x, int rows,
                           Precision precision = Precision::standard, bool pairs = true) {
  ActivationFormat format = qmm::activation_format(row, w, precision, rows);
  format.pairs = format.pairs && pairs;
  AlignedBytes memory(activation_bytes(format, rows, w.columns));
  const Activations a = lay_out_activations(format, rows, w.columns, memory.get());
  qmm::quantize(row, x.data(), w.columns, a, 0, rows);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(w.rows), 99.0f);
  qmm::multiply(row, w, a, y.data(), w.rows, 0, w.rows);
  return y;
}

std::vector<const Row*> executable_rows() { return executable(qmm::rows()); }
const Row& scalar() { return qmm::rows().front(); }

TEST(Qmm, ScalarTwinIsCloseToFloat64) {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group : {32, 64, 128}) {
      const Weights w(24, 2048, bits, group, Element::bf16);
      for (bool outliers : {false, true}) {
        const std::vector<float> x = gaussian(2, 2048, outliers);
        EXPECT_LE(relative_error(w, x, 2, product(scalar(), w.matrix, x, 2)), outliers ? 2e-4 : 1e-4)
            << bits << " bits, group " << group;
        EXPECT_LE(relative_error(w, x, 2, product(scalar(), w.matrix, x, 2, Precision::fast)),
                  outliers ? 3e-2 : 1e-2)
            << bits << " bits, group " << group;
      }
    }
  }
}

// Every level but the twin itself, whose product is computed once for all of them: it takes the most time.
void expect_twins(const QuantizedMatrix& w, int rows, Precision precision) {
  const std::vector<float> x = gaussian(rows, w.columns, true);
  const std::vector<float> expected = product(scalar(), w, x, rows, precision);
  for (const Row* row : executable_rows()) {
    if (row->isa == Isa::scalar) continue;
    ASSERT_TRUE(same_bits(product(*row, w, x, rows, precision), expected))
        << isa_name(row->isa) << ", " << w.bits << " bits, group " << w.group << ", scale type "
        << static_cast<int>(w.scale_type) << ", K " << w.columns << ", M " << rows;
  }
}

TEST(Qmm, EveryLevelEqualsTheScalarTwin) {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group : {32, 64, 128}) {
      for (Element type : {Element::f16, Element::bf16, Element::f32}) {
        for (int columns : {group, 3 * group, 1024, 1024 + group, 2048 + 5 * group}) {
          const Weights w(37, columns, bits, group, type, 0, static_cast<unsigned>(columns + bits));
          for (int rows : {1, 2, 7, 23}) {
            ASSERT_NO_FATAL_FAILURE(expect_twins(w.matrix, rows, Precision::standard));
          }
        }
      }
    }
  }
}

TEST(Qmm, FastEqualsTheScalarTwin) {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group : {32, 64, 128}) {
      for (int columns : {group, 3 * group, 1024, 1024 + 5 * group}) {
        const Weights w(35, columns, bits, group, Element::bf16, 1);
        for (int rows : {1, 2, 11, 23})
          ASSERT_NO_FATAL_FAILURE(expect_twins(w.matrix, rows, Precision::fast));
      }
    }
  }
}

TEST(Qmm, PairsDoNotChangeBits) {
  for (const Row* row : executable_rows()) {
    for (int bits : {2, 3, 4, 5, 6}) {
      for (int group : {32, 64}) {
        const Weights w(35, 1024 + 5 * group, bits, group, Element::bf16);
        for (Precision precision : {Precision::standard, Precision::fast}) {
          for (int rows : {3, 25}) {
            const std::vector<float> x = gaussian(rows, w.matrix.columns, true);
            ASSERT_TRUE(same_bits(product(*row, w.matrix, x, rows, precision, false),
                                  product(*row, w.matrix, x, rows, precision)))
                << isa_name(row->isa) << ", " << bits << " bits, group " << group << ", M " << rows;
          }
        }
      }
    }
  }
}

TEST(Qmm, ARowHasTheSameBitsInEveryBatch) {
  for (const Row* row : executable_rows()) {
    if (row->isa == Isa::scalar) continue;
    for (int bits : {3, 4}) {
      const Weights w(75, 1024 + 320, bits, 64, Element::bf16);
      const std::vector<float> x = gaussian(40, w.matrix.columns);
      const std::vector<float> all = product(*row, w.matrix, x, 40);
      for (int rows = 1; rows < 40; ++rows) {
        const std::vector<float> some = product(*row, w.matrix, x, rows);
        ASSERT_EQ(std::memcmp(some.data(), all.data(), some.size() * sizeof(float)), 0)
            << isa_name(row->isa) << ", " << bits << " bits, M " << rows;
      }
    }
  }
}

TEST(Qmm, AnySplitOfColumnsGivesTheSameBits) {
  for (const Row* row : executable_rows()) {
    const Weights w(101, 1152, 4, 64, Element::f16);
    for (int rows : {1, 3, 12}) {
      const std::vector<float> x = gaussian(rows, 1152);
      const std::vector<float> whole = product(*row, w.matrix, x, rows);
      const ActivationFormat format = qmm::activation_format(*row, w.matrix, Precision::standard, rows);
      AlignedBytes memory(activation_bytes(format, rows, 1152));
      const Activations a = lay_out_activations(format, rows, 1152, memory.get());
      qmm::quantize(*row, x.data(), 1152, a, 0, rows);
      for (int step : {1, 7, 33, 64}) {
        std::vector<float> y(whole.size(), 5.0f);
        for (int n = 0; n < 101; n += step) {
          qmm::multiply(*row, w.matrix, a, y.data(), 101, n, std::min(n + step, 101));
        }
        EXPECT_TRUE(same_bits(y, whole)) << isa_name(row->isa) << ", M " << rows << ", step " << step;
      }
    }
  }
}

TEST(Qmm, RowsStoredForManyGiveTheirBitsAlone) {
  constexpr int rows = 9;
  for (const Row* row : executable_rows()) {
    for (int bits : {2, 4, 6, 8}) {
      for (Precision precision : {Precision::standard, Precision::fast}) {
        const Weights w(21, 1024 + 96, bits, 32, Element::bf16);
        const std::vector<float> x = gaussian(rows, w.matrix.columns);
        const std::vector<float> whole = product(*row, w.matrix, x, rows, precision);
        const ActivationFormat format = qmm::activation_format(*row, w.matrix, precision, rows);
        AlignedBytes memory(activation_bytes(format, rows, w.matrix.columns));
        const Activations a = lay_out_activations(format, rows, w.matrix.columns, memory.get());
        qmm::quantize(*row, x.data(), w.matrix.columns, a, 0, rows);
        std::vector<float> parts(whole.size());
        for (int begin = 0, count = 1; begin < rows; begin += count, count = 3 - count) {
          qmm::multiply(*row, w.matrix, slice(a, begin, begin + count), parts.data() + begin * 21, 21, 0, 21);
        }
        EXPECT_TRUE(same_bits(parts, whole)) << isa_name(row->isa) << ", " << bits << " bits";
      }
    }
  }
}

TEST(Qmm, QuantizesColumnsApart) {
  for (const Row* row : executable_rows()) {
    for (int bits : {2, 3, 4, 8}) {
      for (int group : {32, 64}) {
        for (int columns : {group, 1024, 1536, 2048 + 3 * group}) {
          for (Precision precision : {Precision::standard, Precision::fast}) {
            const Weights w(1, columns, bits, group, Element::f16);
            const ActivationFormat format = qmm::activation_format(*row, w.matrix, precision, 2);
            const int together = columns_together(format);
            ASSERT_GT(together, 0);
            const std::vector<float> x = gaussian(2, columns, true);
            AlignedBytes a(activation_bytes(format, 2, columns)), b(activation_bytes(format, 2, columns));
            const Activations whole = lay_out_activations(format, 2, columns, a.get());
            const Activations parts = lay_out_activations(format, 2, columns, b.get());
            qmm::quantize(*row, x.data(), columns, whole, 0, 2);
            for (int m : {0, 1}) {
              for (int begin = 0, end = 0; begin < columns; begin = end) {
                end = std::min(begin + (begin % 3 + 1) * together, columns);
                qmm::for_each_part(slice(parts, m, m + 1), begin, end, [&](const Activations& p, int first) {
                  qmm::quantize(*row, x.data() + m * columns + std::min(first, end), 0, p, 0, 1);
                });
              }
            }
            const Activations* all[] = {&whole, &parts};
            std::vector<std::uint8_t> bytes[2];
            for (int i : {0, 1}) {
              for (int m : {0, 1}) {
                const Activations one = slice(*all[i], m, m + 1);
                const auto* q = static_cast<const std::uint8_t*>(one.q);
                bytes[i].insert(bytes[i].end(), q, q + one.units * format.unit * format.element_bytes());
                for (const float* values : {one.scale, one.sum}) {
                  const auto* from = reinterpret_cast<const std::uint8_t*>(values);
                  bytes[i].insert(bytes[i].end(), from, from + one.units * 4);
                }
              }
            }
            ASSERT_EQ(bytes[0], bytes[1])
                << isa_name(row->isa) << ", " << bits << " bits, group " << group << ", K " << columns;
          }
        }
      }
    }
  }
}

TEST(Qmm, ReadsMisalignedTensors) {
  for (const Row* row : executable_rows()) {
    for (int bits : {2, 3, 4, 5, 6, 8}) {
      const Weights straight(19, 1024 + 64, bits, 64, Element::bf16, 0);
      const std::vector<float> x = gaussian(6, 1024 + 64);
      const std::vector<float> expected = product(scalar(), straight.matrix, x, 6);
      for (int misalignment : {1, 2, 3, 7, 24}) {
        Weights moved(19, 1024 + 64, bits, 64, Element::bf16, misalignment);
        std::memcpy(moved.codes.data() + misalignment, straight.codes.data(), straight.codes.size());
        std::memcpy(moved.scales.data() + misalignment, straight.scales.data(), straight.scales.size());
        std::memcpy(moved.biases.data() + misalignment, straight.biases.data(), straight.biases.size());
        EXPECT_TRUE(same_bits(product(*row, moved.matrix, x, 6), expected))
            << isa_name(row->isa) << ", " << bits << " bits, " << misalignment << " bytes off";
      }
    }
  }
}

TEST(Qmm, ThreadsDoNotChangeBits) {
  const Weights w(515, 1024, 4, 64, Element::bf16);
  for (int rows : {1, 17}) {
    const ActivationFormat format = activation_format(w.matrix, Precision::standard, rows);
    const std::vector<float> x = gaussian(rows, 1024);
    const std::vector<float> expected = product(scalar(), w.matrix, x, rows);
    for (int threads = 1; threads <= 4; ++threads) {
      ThreadPool pool(threads);
      AlignedBytes memory(activation_bytes(format, rows, 1024));
      const Activations a = lay_out_activations(format, rows, 1024, memory.get());
      quantize_activations(pool, x.data(), 1024, a);
      std::vector<float> y(expected.size());
      multiply(pool, w.matrix, a, y.data(), 515);
      EXPECT_TRUE(same_bits(y, expected)) << threads << " threads, M " << rows;
    }
  }
}

TEST(Qmm, ActivationsThatAreNotFiniteGiveNaN) {
  const Weights w(5, 256, 4, 64, Element::bf16);
  for (const Row* row : executable_rows()) {
    for (float bad : {std::nanf(""), INFINITY, -INFINITY}) {
      std::vector<float> x = gaussian(6, 256);
      x[70] = bad;
      const std::vector<float> y = product(*row, w.matrix, x, 6);
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(std::isnan(y[i]), i < 5) << isa_name(row->isa) << " " << i;
    }
  }
}

TEST(Qmm, ZeroAndTinyActivationsGiveZero) {
  const Weights w(5, 128, 4, 64, Element::f32);
  for (const Row* row : executable_rows()) {
    for (float value : {0.0f, -0.0f, 1e-40f, -1e-36f}) {
      for (float y : product(*row, w.matrix, std::vector<float>(128, value), 1)) EXPECT_EQ(y, 0.0f);
    }
  }
}

TEST(Qmm, RefusesWhatNoKernelReads) {
  QuantizedMatrix w;
  w.rows = 4;
  w.columns = 128;
  EXPECT_NO_THROW(check(w));
  w.bits = 7;
  EXPECT_THROW(check(w), Error);
  w.bits = 4;
  w.group = 16;
  EXPECT_THROW(check(w), Error);
  w.group = 64;
  w.columns = 96;
  EXPECT_THROW(check(w), Error);
}

}  // namespace
}  // namespace pome::kernels
