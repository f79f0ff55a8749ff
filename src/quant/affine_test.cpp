#include "quant/affine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "quant/packing.h"

namespace pome::quant {
namespace {

struct Quantized {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales, biases;
};

Quantized quantize(const std::vector<float>& row, int bits, int group_size) {
  Quantized q;
  q.codes.resize(row.size());
  q.scales.resize(row.size() / static_cast<std::size_t>(group_size));
  q.biases.resize(q.scales.size());
  affine_quantize_row(row.data(), static_cast<std::int64_t>(row.size()), bits, group_size, q.codes.data(),
                      q.scales.data(), q.biases.data());
  return q;
}

std::vector<float> decode(const Quantized& q, int bits, int group_size) {
  const auto columns = static_cast<std::int64_t>(q.codes.size());
  std::vector<std::byte> packed(static_cast<std::size_t>(packed_row_bytes(columns, bits)));
  pack_codes(q.codes.data(), bits, columns, packed.data());
  std::vector<float> out(q.codes.size());
  const auto bytes_of = [](const std::vector<float>& v) { return std::as_bytes(std::span(v)).data(); };
  affine.decode_row(
      {packed.data(), bytes_of(q.scales), bytes_of(q.biases), Dtype::f32, columns, bits, group_size},
      out.data());
  return out;
}

TEST(Affine, DecodedWeightsLieWithinHalfAStep) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (const int bits : affine.bits) {
    for (const int group_size : affine.group_sizes) {
      for (int round = 0; round < 50; ++round) {
        const float width = std::exp(4 * normal(random));
        const float centre = round % 2 == 0 ? 0 : 3 * width * normal(random);
        std::vector<float> row(256);
        for (float& w : row) w = centre + width * normal(random);
        const Quantized q = quantize(row, bits, group_size);
        const std::vector<float> decoded = decode(q, bits, group_size);
        for (std::size_t i = 0; i < row.size(); ++i) {
          const auto group = i / static_cast<std::size_t>(group_size);
          const auto begin = row.begin() + static_cast<std::ptrdiff_t>(group) * group_size;
          const auto [low, high] = std::minmax_element(begin, begin + group_size);
          // The edge is met exactly, so the other end may clip: by less than one step, as the step only
          // shrinks to make zero a code. A group that is far from zero keeps its plain step.
          const float step =
              std::max(std::fabs(q.scales[group]), (*high - *low) / static_cast<float>((1 << bits) - 1));
          EXPECT_LE(std::fabs(decoded[i] - row[i]), step * 1.001f + 1e-6f * std::fabs(row[i]))
              << bits << " bits, groups of " << group_size;
        }
        const auto far = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
        const auto edge = static_cast<std::size_t>(
            std::max_element(row.begin(), row.begin() + group_size, far) - row.begin());
        if (q.biases[0] != 0) {
          EXPECT_EQ(decoded[edge], row[edge]);
        }
      }
    }
  }
}

TEST(Affine, ZeroStaysZero) {
  std::vector<float> row(32);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = i % 2 == 0 ? 0.0f : static_cast<float>(i) / 7 - 2;
  for (const int bits : affine.bits) {
    const std::vector<float> decoded = decode(quantize(row, bits, 32), bits, 32);
    for (std::size_t i = 0; i < row.size(); i += 2) EXPECT_NEAR(decoded[i], 0, 1e-6) << bits;
  }
}

TEST(Affine, WeightsThatAreNotFiniteAreDefined) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), infinity, -infinity, std::numeric_limits<float>::max()}) {
    for (const int bits : affine.bits) {
      std::vector<float> row(64, 1.0f);
      for (std::size_t i = 0; i < 32; ++i) row[i] = static_cast<float>(i);
      row[5] = bad;
      row[6] = -bad;
      const Quantized q = quantize(row, bits, 32);
      for (const std::uint8_t code : q.codes) EXPECT_LT(code, 1 << bits);
      const std::vector<float> decoded = decode(q, bits, 32);
      EXPECT_EQ(decoded[40], 1.0f) << "the next group is untouched";
    }
  }
}

}  // namespace
}  // namespace pome::quant
