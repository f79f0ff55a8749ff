#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/elementwise/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using elementwise::Functions;
using elementwise::Row;

std::vector<const Row*> levels() { return executable(elementwise::rows()); }
const Functions& scalar() { return *elementwise::rows().front().functions; }

float at(const std::vector<float>& x, int i) { return x[static_cast<std::size_t>(i)]; }

TEST(Elementwise, RmsNormIsCloseToFloat64) {
  for (int length : {1, 7, 16, 64, 130, 1000}) {
    const RandomDense weight(1, length, Element::bf16, 1);
    const std::vector<float> x = gaussian(3, length + 5);
    for (const Row* row : levels()) {
      std::vector<float> out(x.size(), -9.0f);
      row->functions->rms_norm({3, length, length + 5, length + 5}, x.data(),
                               {weight.matrix.data, Element::bf16}, 1e-5f, out.data());
      for (int r = 0; r < 3; ++r) {
        const int first = r * (length + 5);
        double squares = 0;
        for (int i = 0; i < length; ++i) squares += double{at(x, first + i)} * double{at(x, first + i)};
        const double inverse = 1 / std::sqrt(squares / length + 1e-5);
        for (int i = 0; i < length; ++i) {
          const double expected = double{at(x, first + i)} * inverse * weight.at(0, i);
          EXPECT_NEAR(double{at(out, first + i)}, expected, 1e-6 * std::fabs(expected) + 1e-12);
        }
        for (int i = length; i < length + 5; ++i) EXPECT_EQ(at(out, first + i), -9.0f);
      }
    }
  }
}

TEST(Elementwise, LayerNormIsCloseToFloat64) {
  for (bool with_bias : {false, true}) {
    for (int length : {5, 32, 77, 768}) {
      const RandomDense weight(1, length, Element::f32), bias(1, length, Element::f16, 0, 5);
      std::vector<float> x = gaussian(2, length);
      for (float& v : x) v = v * 3 + 10;
      for (const Row* row : levels()) {
        std::vector<float> out(x.size());
        row->functions->layer_norm({2, length, length, length}, x.data(), {weight.matrix.data, Element::f32},
                                   {with_bias ? bias.matrix.data : nullptr, Element::f16}, 1e-5f, out.data());
        for (int r = 0; r < 2; ++r) {
          double mean = 0, variance = 0;
          for (int i = 0; i < length; ++i) mean += double{at(x, r * length + i)} / length;
          for (int i = 0; i < length; ++i) {
            variance += std::pow(double{at(x, r * length + i)} - mean, 2) / length;
          }
          for (int i = 0; i < length; ++i) {
            const double normal = (double{at(x, r * length + i)} - mean) / std::sqrt(variance + 1e-5);
            const double expected = normal * weight.at(0, i) + (with_bias ? bias.at(0, i) : 0);
            EXPECT_NEAR(double{at(out, r * length + i)}, expected, 3e-6) << isa_name(row->isa);
          }
        }
      }
    }
  }
}

TEST(Elementwise, RopeTurnsPairsAndLeavesTheRest) {
  for (bool interleaved : {false, true}) {
    for (int dims : {2, 20, 64, 80}) {
      const int heads = 3, head_dim = 80;
      std::vector<float> cos, sin;
      for (int i = 0; i < dims / 2; ++i) {
        cos.push_back(std::cos(0.7f * static_cast<float>(i + 1)));
        sin.push_back(std::sin(0.7f * static_cast<float>(i + 1)));
      }
      const std::vector<float> x = gaussian(heads, head_dim);
      for (const Row* row : levels()) {
        std::vector<float> out = x;
        row->functions->rope({heads, head_dim, dims, interleaved, cos.data(), sin.data()}, out.data());
        for (int h = 0; h < heads; ++h) {
          for (int i = 0; i < dims / 2; ++i) {
            const int a = h * head_dim + (interleaved ? 2 * i : i);
            const int b = h * head_dim + (interleaved ? 2 * i + 1 : i + dims / 2);
            EXPECT_NEAR(at(out, a), at(x, a) * at(cos, i) - at(x, b) * at(sin, i), 1e-6f);
            EXPECT_NEAR(at(out, b), at(x, b) * at(cos, i) + at(x, a) * at(sin, i), 1e-6f);
          }
          for (int i = dims; i < head_dim; ++i) EXPECT_EQ(at(out, h * head_dim + i), at(x, h * head_dim + i));
        }
      }
    }
  }
}

double reference(UnaryKind kind, double x) {
  switch (kind) {
    case UnaryKind::silu:
      return x / (1 + std::exp(-x));
    case UnaryKind::gelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case UnaryKind::gelu_tanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case UnaryKind::gelu_quick:
      return x / (1 + std::exp(-1.702 * x));
    case UnaryKind::relu:
      return x > 0 ? x : 0;
    case UnaryKind::relu_squared:
      return x > 0 ? x * x : 0;
    case UnaryKind::sigmoid:
      return 1 / (1 + std::exp(-x));
    case UnaryKind::tanh:
      return std::tanh(x);
    case UnaryKind::softplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
  }
  return 0;
}

constexpr UnaryKind kinds[] = {UnaryKind::silu,       UnaryKind::gelu, UnaryKind::gelu_tanh,
                               UnaryKind::gelu_quick, UnaryKind::relu, UnaryKind::relu_squared,
                               UnaryKind::sigmoid,    UnaryKind::tanh, UnaryKind::softplus};
constexpr XieluFactors xielu_factors = {.positive = 0.7f, .negative = 1.3f, .beta = 0.5f, .eps = -1e-6f};

TEST(Elementwise, ActivationsAreCloseToFloat64) {
  std::vector<float> x;
  for (int i = -3000; i <= 3000; ++i) x.push_back(static_cast<float>(i) * 0.01f);
  for (float extreme : {-1e30f, -120.0f, -88.0f, 88.0f, 120.0f, 1e15f, 0.0f, -1e-20f}) x.push_back(extreme);
  for (UnaryKind kind : kinds) {
    for (const Row* row : levels()) {
      std::vector<float> out(x.size());
      row->functions->activate(kind, x.data(), out.data(), static_cast<std::int64_t>(x.size()));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = reference(kind, double{x[i]});
        EXPECT_NEAR(double{out[i]}, expected,
                    4e-7 * std::max(std::fabs(expected), std::max(1.0, std::fabs(double{x[i]}) * 0.2)))
            << isa_name(row->isa) << ", kind " << static_cast<int>(kind) << ", x " << x[i];
      }
    }
  }
}

TEST(Elementwise, SoftplusIsCloseRelativeToItself) {
  for (const Row* row : levels()) {
    for (float x = -60; x < 20; x += 0.37f) {
      float out = 0;
      row->functions->activate(UnaryKind::softplus, &x, &out, 1);
      const double expected = reference(UnaryKind::softplus, double{x});
      EXPECT_NEAR(double{out}, expected, 5e-7 * expected) << isa_name(row->isa) << ", x " << x;
    }
  }
}

TEST(Elementwise, FunctionsWithFactorsAreCloseToFloat64) {
  const std::vector<float> gate = gaussian(1, 1000), up = gaussian(1, 1000, false, 7);
  for (const Row* row : levels()) {
    std::vector<float> out(gate.size());
    for (std::size_t i = 0; i < gate.size(); ++i) {
      row->functions->clamped_swiglu(0.9f, 1.702f, &gate[i], &up[i], &out[i], 1);
      const double g = std::min(double{gate[i]}, double{0.9f});
      const double u = std::clamp(double{up[i]}, -double{0.9f}, double{0.9f});
      EXPECT_NEAR(double{out[i]}, g / (1 + std::exp(-1.702 * g)) * (u + 1), 1e-6) << isa_name(row->isa);
      row->functions->xielu(xielu_factors, &gate[i], &out[i], 1);
      const double x = double{gate[i]};
      const double expected = x > 0 ? 0.7 * x * x : (std::expm1(std::min(x, -1e-6)) - x) * 1.3;
      EXPECT_NEAR(double{out[i]}, expected + 0.5 * x, 1e-6 * std::max(1.0, std::fabs(expected)));
      row->functions->clamp(-0.5f, 0.25f, &gate[i], &out[i], 1);
      EXPECT_EQ(out[i], std::clamp(gate[i], -0.5f, 0.25f));
    }
  }
}

TEST(Elementwise, NormsWithoutWeightsOrWithAnOffset) {
  const int length = 37;
  const std::vector<float> x = gaussian(1, length);
  const RandomDense weight(1, length, Element::bf16, 1);
  const Runs runs = {1, length, length, length};
  for (const Row* row : levels()) {
    std::vector<float> plain(x.size()), shifted(x.size()), centred(x.size());
    row->functions->rms_norm(runs, x.data(), {}, 1e-2f, plain.data());
    row->functions->rms_norm(runs, x.data(), {weight.matrix.data, Element::bf16, 1.0f}, 1e-2f,
                             shifted.data());
    row->functions->layer_norm(runs, x.data(), {}, {}, 1e-2f, centred.data());
    double squares = 0, mean = 0, variance = 0;
    for (float v : x) squares += double{v} * double{v} / length;
    for (float v : x) mean += double{v} / length;
    for (float v : x) variance += std::pow(double{v} - mean, 2) / length;
    for (int i = 0; i < length; ++i) {
      const double expected = double{at(x, i)} / std::sqrt(squares + 1e-2);
      EXPECT_NEAR(double{at(plain, i)}, expected, 1e-6);
      EXPECT_NEAR(double{at(shifted, i)}, expected * (1 + weight.at(0, i)), 3e-6);
      EXPECT_NEAR(double{at(centred, i)}, (double{at(x, i)} - mean) / std::sqrt(variance + 1e-2), 1e-6);
    }
  }
}

TEST(Elementwise, NaNStaysNaN) {
  for (UnaryKind kind : kinds) {
    for (const Row* row : levels()) {
      const float x = std::nanf("");
      float out = 0;
      row->functions->activate(kind, &x, &out, 1);
      EXPECT_TRUE(std::isnan(out)) << isa_name(row->isa) << ", kind " << static_cast<int>(kind);
    }
  }
}

TEST(Elementwise, EveryLevelEqualsTheScalarTwin) {
  for (int count : {1, 15, 16, 33, 256, 1001}) {
    const std::vector<float> a = gaussian(1, count, true, 3), b = gaussian(1, count, false, 4);
    const RandomDense weight(1, count, Element::bf16, 1), bias(1, count, Element::f32, 0, 2);
    const auto both = [&](auto&& call) {
      std::vector<float> expected(a.size(), 1.0f);
      call(scalar(), expected.data());
      for (const Row* row : levels()) {
        std::vector<float> out(a.size(), 1.0f);
        call(*row->functions, out.data());
        EXPECT_TRUE(same_bits(out, expected)) << isa_name(row->isa) << ", " << count << " elements";
      }
    };
    const Parameters w = {weight.matrix.data, Element::bf16}, c = {bias.matrix.data, Element::f32};
    both([&](const Functions& f, float* out) {
      f.rms_norm({1, count, count, count}, a.data(), w, 1e-6f, out);
    });
    both([&](const Functions& f, float* out) {
      f.layer_norm({1, count, count, count}, a.data(), w, c, 1e-6f, out);
    });
    for (UnaryKind kind : kinds) {
      both([&](const Functions& f, float* out) { f.activate(kind, a.data(), out, count); });
      both([&](const Functions& f, float* out) { f.activate_gated(kind, a.data(), b.data(), out, count); });
    }
    both([&](const Functions& f, float* out) {
      f.clamped_swiglu(1.5f, 1.702f, a.data(), b.data(), out, count);
    });
    both([&](const Functions& f, float* out) { f.xielu(xielu_factors, a.data(), out, count); });
    both([&](const Functions& f, float* out) { f.clamp(-1.0f, 0.5f, a.data(), out, count); });
    both([&](const Functions& f, float* out) { f.add(a.data(), b.data(), out, count); });
    both([&](const Functions& f, float* out) { f.multiply(a.data(), b.data(), out, count); });
    both([&](const Functions& f, float* out) { f.scale(a.data(), 0.3f, out, count); });
    const int dims = count / 2 * 2;
    both([&](const Functions& f, float* out) {
      std::copy(a.begin(), a.end(), out);
      f.rope({1, count, dims, false, b.data(), a.data()}, out);
    });
  }
}

TEST(Elementwise, Float16Saturates) {
  const std::vector<float> x = {0.0f,  -0.0f,    1.0f,       65504.0f, 65519.0f, 65520.0f,
                                -1e9f, INFINITY, -INFINITY,  1e-7f,    6e-8f,    1e-9f,
                                -2.5f, 0.1f,     1.0009765f, 3e38f,    -65536.0f};
  for (const Row* row : levels()) {
    std::vector<std::uint16_t> out(x.size() + 1, 0x1234);
    row->functions->to_f16_saturating(x.data(), out.data(), static_cast<std::int64_t>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float clamped = std::isinf(x[i]) ? x[i] : std::clamp(x[i], -65504.0f, 65504.0f);
      EXPECT_EQ(out[i], f32_to_f16(clamped)) << isa_name(row->isa) << ", " << x[i];
    }
    EXPECT_EQ(out.back(), 0x1234);
    const float bad = std::nanf("");
    row->functions->to_f16_saturating(&bad, out.data(), 1);
    EXPECT_TRUE(std::isnan(f16_to_f32(out[0]))) << isa_name(row->isa);
  }
}

}  // namespace
}  // namespace pome::kernels
