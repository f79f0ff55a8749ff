#include "kernels/decode/decode.h"

#include <gtest/gtest.h>

#include "kernels/decode/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

TEST(Decode, AffineIsScaleTimesCodePlusBiasRoundedTwice) {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group : {32, 64, 128}) {
      for (Element type : {Element::f16, Element::bf16, Element::f32}) {
        const RandomQuantized w(3, 3 * group, bits, group, type, 1);
        for (const decode::Row* row : executable(decode::rows())) {
          for (int n = 0; n < 3; ++n) {
            std::vector<float> out(static_cast<std::size_t>(3 * group));
            row->affine(w.matrix, n, 0, 32, out.data());
            row->affine(w.matrix, n, 32, 3 * group - 32, out.data() + 32);
            for (int k = 0; k < 3 * group; ++k) {
              const std::int64_t g = std::int64_t{n} * 3 + k / group;
              const float scale = get_element(w.matrix.scales, g, type);
              const float bias = get_element(w.matrix.biases, g, type);
              const auto code = static_cast<float>(std::lround((w.at(n, k) - double{bias}) / double{scale}));
              const float product = scale * code;
              ASSERT_EQ(out[static_cast<std::size_t>(k)], product + bias)
                  << isa_name(row->isa) << ", " << bits << " bits, group " << group << ", element " << k;
            }
          }
        }
      }
    }
  }
}

TEST(Decode, FloatsKeepTheirValueAndNothingIsWrittenBehind) {
  for (Element type : {Element::f16, Element::bf16, Element::f32}) {
    const RandomDense w(4, 45, type, 1);
    for (const decode::Row* row : executable(decode::rows())) {
      for (int count : {1, 7, 8, 16, 31, 45}) {
        std::vector<float> out(46, -7.0f);
        row->floats(w.matrix.data, type, 3 * 45 + (45 - count), count, out.data());
        for (int i = 0; i < count; ++i) {
          EXPECT_EQ(double{out[static_cast<std::size_t>(i)]}, w.at(3, 45 - count + i)) << isa_name(row->isa);
        }
        EXPECT_EQ(out[static_cast<std::size_t>(count)], -7.0f) << isa_name(row->isa);
      }
    }
  }
}

}  // namespace
}  // namespace pome::kernels
