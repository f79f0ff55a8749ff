// Every operation on every backend of this machine against a plain twin in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "graph/testing.h"
#include "pome/error.h"

namespace pome::graph {
namespace {

using testing::dense;
using testing::evaluate;
using testing::make_tensor;
using testing::max_difference;
using testing::random_matrix;
using testing::random_values;
using testing::rounded;

constexpr double close = 2e-5;

class Operations : public ::testing::TestWithParam<testing::Tested> {
 protected:
  Backend& backend() { return *backend_; }
  std::unique_ptr<Backend> backend_ = GetParam().make();
};

// y[r][c] = f(r, c)
template <class F>
Matrix table_of(int rows, int width, F f) {
  Matrix y{rows, width, {}};
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < width; ++c) y.values.push_back(static_cast<float>(f(r, c)));
  }
  return y;
}

double at(const Matrix& m, int r, int c) { return m.row(r)[static_cast<std::size_t>(c)]; }

Matrix matmul(const Matrix& x, const Matrix& w) {  // x · wᵀ
  return table_of(x.rows, w.rows, [&](int r, int o) {
    double sum = 0;
    for (int i = 0; i < x.width; ++i) sum += at(x, r, i) * at(w, o, i);
    return sum;
  });
}

TEST_P(Operations, EmbeddingAndLinearOfEveryDenseType) {
  const Matrix x = random_matrix(5, 48, 1);
  const Matrix w = random_matrix(24, 48, 2, 0.2F);
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
    for (const std::size_t misaligned : {0, 1, 2, 7}) {
      const Matrix stored = table_of(24, 48, [&](int r, int c) { return rounded(w.row(r)[c], dtype); });
      const Linear linear{.name = "l", .weight = dense(w, dtype, misaligned), .bias = {}, .adapters = {}};
      const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) { return g.linear(linear, v); });
      EXPECT_LE(max_difference(y, matmul(x, stored)), dtype == Dtype::bf16 ? GetParam().bf16 : close)
          << dtype_name(dtype) << " + " << misaligned;

      const Weight embedding = dense(w, dtype, misaligned);
      const Matrix rows = evaluate(backend(), x, [&](Graph& g, Value) { return g.embedding(embedding); });
      EXPECT_EQ(max_difference(rows, table_of(5, 48, [&](int r, int c) { return at(stored, r, c); })), 0);
    }
  }
}

// Codes as one little-endian stream of bits per row, and the values they stand for.
struct Quantized {
  Weight weight;
  Matrix values;
};

Quantized random_quantized(int out, int in, int bits, int group, Dtype dtype, std::size_t misaligned) {
  std::mt19937 generator(static_cast<unsigned>(bits * 1000 + group));
  const auto groups = static_cast<std::size_t>(out) * in / group;
  const std::vector<float> scales = random_values(groups, 3, 0.05F);
  const std::vector<float> biases = random_values(groups, 4, 0.2F);
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(out) * in * bits / 8);
  Quantized q;
  q.values = table_of(out, in, [&](int r, int c) {
    const unsigned code = generator() % (1U << bits);
    const std::size_t first = static_cast<std::size_t>(r) * in * bits + static_cast<std::size_t>(c) * bits;
    for (int b = 0; b < bits; ++b) {
      if ((code >> b & 1U) != 0) packed[(first + b) / 8] |= static_cast<std::uint8_t>(1U << (first + b) % 8);
    }
    const std::size_t g = (static_cast<std::size_t>(r) * in + c) / group;
    return rounded(scales[g], dtype) * static_cast<double>(code) + rounded(biases[g], dtype);
  });
  auto bytes = std::make_shared<std::vector<std::byte>>(packed.size() + misaligned);
  std::memcpy(bytes->data() + misaligned, packed.data(), packed.size());
  Tensor& codes = q.weight.weight;
  codes.name = "codes";
  codes.dtype = Dtype::u32;
  codes.shape = {out, in * bits / 32};
  codes.data = bytes->data() + misaligned;
  codes.size_bytes = packed.size();
  codes.owner = bytes;
  q.weight.quantization = Quantization{.mode = "affine", .bits = bits, .group_size = group};
  q.weight.scales = make_tensor("scales", {out, in / group}, scales, dtype, misaligned);
  q.weight.biases = make_tensor("biases", {out, in / group}, biases, dtype, misaligned);
  return q;
}

TEST_P(Operations, QuantizedWeightsOfAllBitsGroupsAndScales) {
  for (const int rows : {3, 20}) {  // backends may take another way for many rows
    const Matrix x = random_matrix(rows, 256, 5);
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      for (const int group : {32, 64, 128}) {
        for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
          for (const std::size_t misaligned : {0, 3}) {
            const Quantized q = random_quantized(24, 256, bits, group, dtype, misaligned);
            const Linear linear{.name = "l", .weight = q.weight, .bias = {}, .adapters = {}};
            const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) { return g.linear(linear, v); });
            const Matrix expected = matmul(x, q.values);
            EXPECT_LE(max_difference(y, expected), GetParam().quantized) << bits << " bits, group " << group;
            const Matrix embedded =
                evaluate(backend(), x, [&](Graph& g, Value) { return g.embedding(q.weight); });
            const Matrix first = table_of(rows, 256, [&](int r, int c) { return at(q.values, r, c); });
            EXPECT_LE(max_difference(embedded, first), close) << bits << " bits, group " << group;
          }
        }
      }
    }
  }
}

TEST_P(Operations, AdaptersChangeTheRowsOfTheirSegmentsOnly) {
  const Matrix x = random_matrix(6, 16, 6);
  const Matrix w = random_matrix(8, 16, 7);
  const std::vector<float> bias = random_values(8, 8);
  const Matrix a = random_matrix(16, 3, 9);
  const Matrix b = random_matrix(3, 8, 10);
  const std::vector<float> stretch = random_values(8, 11);
  Linear linear{.name = "l", .weight = dense(w), .bias = make_tensor("bias", {8}, bias), .adapters = {}};
  linear.adapters[1] = {make_tensor("a", {16, 3}, a.values), make_tensor("b", {3, 8}, b.values), 0.5F, {}};
  linear.adapters[4] = {make_tensor("a", {16, 3}, a.values), make_tensor("b", {3, 8}, b.values), -1.5F,
                        make_tensor("m", {8}, stretch)};
  const int adapter_of[] = {0, 1, 1, 4, 0, 2};  // 2 is an adapter that has nothing for this linear
  const Matrix plain = matmul(x, w);
  const auto expected = [&](int r, int o) {
    double change = 0;
    for (int k = 0; k < 3; ++k) {
      double inner = 0;
      for (int i = 0; i < 16; ++i) inner += at(x, r, i) * at(a, i, k);
      change += inner * at(b, k, o);
    }
    double y = at(plain, r, o);
    if (adapter_of[r] == 1) y += 0.5 * change;
    if (adapter_of[r] == 4) y = (y - 1.5 * change) * stretch[static_cast<std::size_t>(o)];
    return y + bias[static_cast<std::size_t>(o)];
  };
  const Weight table = dense(x);
  for (const bool on_out_rows : {false, true}) {
    const auto runner = backend().load(
        [&](Graph& g) {
          Value v = g.embedding(table);
          if (on_out_rows) v = g.out_rows(v);
          v = g.linear(linear, v);
          g.output("logits", on_out_rows ? v : g.out_rows(v));
        },
        {});
    Step step;
    step.tokens = {0, 1, 2, 3, 4, 5};
    for (int i = 0; i < 6; ++i) {
      step.segments.push_back(
          {.begin = i, .length = 1, .cache = nullptr, .adapter = adapter_of[i], .planned_length = 1});
    }
    step.out_rows = {1, 3, 4, 5};
    Outputs outputs;
    runner->run(step, outputs);
    const Matrix wanted = table_of(4, 8, [&](int r, int o) { return expected(step.out_rows[r], o); });
    EXPECT_LE(max_difference(outputs.at("logits"), wanted), close);
  }
}

TEST_P(Operations, RmsNormOfRowsAndOfHeads) {
  const Matrix x = random_matrix(4, 24, 12);
  for (const int run : {24, 8}) {
    const std::vector<float> weight = random_values(static_cast<std::size_t>(run), 13);
    const Tensor tensor = make_tensor("norm", {run}, weight, Dtype::bf16, 1);
    const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) { return g.rms_norm(v, tensor, 0.1F); });
    const Matrix expected = table_of(4, 24, [&](int r, int c) {
      double squares = 0;
      for (int i = c / run * run; i < (c / run + 1) * run; ++i) squares += at(x, r, i) * at(x, r, i);
      const double scale = rounded(weight[static_cast<std::size_t>(c % run)], Dtype::bf16);
      return at(x, r, c) / std::sqrt(squares / run + 0.1F) * scale;
    });
    EXPECT_LE(max_difference(y, expected), close) << "runs of " << run;
  }
}

TEST_P(Operations, LayerNorm) {
  const Matrix x = random_matrix(4, 10, 14);
  const std::vector<float> weight = random_values(10, 15);
  const std::vector<float> bias = random_values(10, 16);
  const Tensor w = make_tensor("w", {10}, weight);
  const Tensor b = make_tensor("b", {10}, bias);
  for (const Tensor* offset : {static_cast<const Tensor*>(nullptr), &b}) {
    const Matrix y =
        evaluate(backend(), x, [&](Graph& g, Value v) { return g.layer_norm(v, w, offset, 0.2F); });
    const Matrix expected = table_of(4, 10, [&](int r, int c) {
      double mean = 0;
      double variance = 0;
      for (int i = 0; i < 10; ++i) mean += at(x, r, i) / 10;
      for (int i = 0; i < 10; ++i) variance += std::pow(at(x, r, i) - mean, 2) / 10;
      const auto i = static_cast<std::size_t>(c);
      return (at(x, r, c) - mean) / std::sqrt(variance + 0.2F) * weight[i] +
             (offset == nullptr ? 0 : bias[i]);
    });
    EXPECT_LE(max_difference(y, expected), close);
  }
}

TEST_P(Operations, NormsOfRunsUnderLongerWeightsOrNone) {
  const Matrix x = random_matrix(3, 24, 30);
  const std::vector<float> weight = random_values(12, 31);
  const std::vector<float> bias = random_values(12, 32);
  const Tensor w = make_tensor("w", {3, 4}, weight, Dtype::bf16, 1);
  const Tensor b = make_tensor("b", {3, 4}, bias);
  for (const bool centred : {false, true}) {
    for (const Norm& norm :
         {Norm{.eps = 0.1F}, Norm{.eps = 0.1F, .run = 6}, Norm{.eps = 0.1F, .weight = &w, .run = 4},
          Norm{.eps = 0.2F, .weight = &w, .weight_offset = 1},
          Norm{.eps = 0.2F, .weight = &w, .bias = centred ? &b : nullptr, .run = 4}}) {
      const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) {
        return centred ? g.layer_norm(v, norm) : g.rms_norm(v, norm);
      });
      const int run = norm.run > 0 ? norm.run : norm.weight != nullptr ? 12 : 24;
      const Matrix expected = table_of(3, 24, [&](int r, int c) {
        double mean = 0;
        double squares = 0;
        for (int i = c / run * run; i < (c / run + 1) * run; ++i) mean += centred ? at(x, r, i) / run : 0;
        for (int i = c / run * run; i < (c / run + 1) * run; ++i) squares += std::pow(at(x, r, i) - mean, 2);
        double value = (at(x, r, c) - mean) / std::sqrt(squares / run + norm.eps);
        const auto i = static_cast<std::size_t>(c % 12);
        if (norm.weight != nullptr) value *= rounded(weight[i], Dtype::bf16) + norm.weight_offset;
        return value + (norm.bias != nullptr ? bias[i] : 0);
      });
      EXPECT_LE(max_difference(y, expected), close) << "runs of " << run << (centred ? ", centred" : "");
    }
  }
  const Norm misfit{.eps = 0.1F, .weight = &w, .run = 5};
  EXPECT_THROW(evaluate(backend(), x, [&](Graph& g, Value v) { return g.rms_norm(v, misfit); }), Error);
}

TEST_P(Operations, RopeOfHalvesPairsAndPartsOfHeads) {
  const Matrix x = random_matrix(5, 24, 17);  // 2 heads of 12
  for (const bool interleaved : {false, true}) {
    for (const int dims : {12, 8}) {
      Rope rope{.head_dim = 12,
                .dims = dims,
                .interleaved = interleaved,
                .attention_factor = 1.25F,
                .inv_freq = {},
                .inv_freq_for = {}};
      for (int i = 0; i < dims / 2; ++i) rope.inv_freq.push_back(1.0F / static_cast<float>(1 + 3 * i));
      const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) { return g.rope(v, rope); });
      const Matrix expected = table_of(5, 24, [&](int r, int c) {
        const int i = c % 12;
        if (i >= dims) return at(x, r, c);
        const int pair = interleaved ? i / 2 : i % (dims / 2);
        const bool second = interleaved ? i % 2 == 1 : i >= dims / 2;
        const int other = c + (second ? -1 : 1) * (interleaved ? 1 : dims / 2);
        const double angle = static_cast<double>(r) * rope.inv_freq[static_cast<std::size_t>(pair)];
        const double turned =
            at(x, r, c) * std::cos(angle) + (second ? 1 : -1) * at(x, r, other) * std::sin(angle);
        return turned * 1.25;
      });
      EXPECT_LE(max_difference(y, expected), close) << dims << (interleaved ? " pairs" : " halves");
    }
  }
}

TEST_P(Operations, RopeFrequenciesFollowThePlannedLength) {
  const Matrix x = random_matrix(2, 4, 18);
  Rope rope{.head_dim = 4,
            .dims = 4,
            .interleaved = false,
            .attention_factor = 1,
            .inv_freq = {1, 1},
            .inv_freq_for = {}};
  rope.inv_freq_for = [](int planned) { return std::vector<float>(2, 1.0F / static_cast<float>(planned)); };
  const Weight table = dense(x);
  const auto runner =
      backend().load([&](Graph& g) { g.output("logits", g.rope(g.embedding(table), rope)); }, {});
  Step step = testing::plain_step(2, nullptr, 10);
  Outputs ten;
  runner->run(step, ten);
  const Matrix expected = table_of(2, 4, [&](int r, int c) {
    const double angle = r / 10.0;
    return at(x, r, c) * std::cos(angle) + (c < 2 ? -1 : 1) * at(x, r, (c + 2) % 4) * std::sin(angle);
  });
  EXPECT_LE(max_difference(ten.at("logits"), expected), close);
}

TEST_P(Operations, ElementwiseOnes) {
  const Matrix x = random_matrix(3, 8, 19, 2);
  const auto left = [&](int r, int c) { return at(x, r, c); };
  const auto right = [&](int r, int c) { return at(x, r, c + 4); };
  using Twin = std::function<double(double, double)>;
  const auto check = [&](const char* name, const Twin& twin,
                         const std::function<Value(Graph&, Value, Value)>& f) {
    const Matrix y = evaluate(
        backend(), x, [&](Graph& g, Value v) { return f(g, g.columns(v, 0, 4), g.columns(v, 4, 4)); });
    const Matrix expected = table_of(3, 4, [&](int r, int c) { return twin(left(r, c), right(r, c)); });
    EXPECT_LE(max_difference(y, expected), close) << name;
  };
  check(
      "add", [](double a, double b) { return a + b; },
      [](Graph& g, Value a, Value b) { return g.add(a, b); });
  check(
      "multiply", [](double a, double b) { return a * b; },
      [](Graph& g, Value a, Value b) { return g.multiply(a, b); });
  check(
      "scale", [](double a, double) { return -2.5 * a; },
      [](Graph& g, Value a, Value) { return g.scale(a, -2.5F); });

  check(
      "clamp", [](double a, double) { return std::clamp(a, -0.5, 1.25); },
      [](Graph& g, Value a, Value) { return g.clamp(a, -0.5F, 1.25F); });
  check(
      "soft cap", [](double a, double) { return 3 * std::tanh(a / 3); },
      [](Graph& g, Value a, Value) { return g.soft_cap(a, 3); });
  check(
      "xielu",
      [](double a, double) {
        return (a > 0 ? 0.7 * a * a : (std::expm1(std::min(a, -1e-6)) - a) * 1.5) + 0.25 * a;
      },
      [](Graph& g, Value a, Value) {
        return g.activate(Xielu{.positive = 0.7F, .negative = 1.5F, .beta = 0.25F, .eps = -1e-6F}, a);
      });
  check(
      "gated", [](double a, double b) { return std::max(a, 0.0) * b; },
      [](Graph& g, Value a, Value b) { return g.gated({.activation = Activation::relu}, a, b); });
  check(
      "clamped gate",
      [](double a, double b) {
        const double gate = std::min(a, 0.75);
        return gate / (1 + std::exp(-1.5 * gate)) * (std::clamp(b, -0.75, 0.75) + 1);
      },
      [](Graph& g, Value a, Value b) { return g.gated({.limit = 0.75F, .alpha = 1.5F}, a, b); });

  const auto activation = [&](Activation kind, const Twin& twin) {
    check("activation", twin, [kind](Graph& g, Value a, Value) { return g.activate(kind, a); });
  };
  activation(Activation::silu, [](double a, double) { return a / (1 + std::exp(-a)); });
  activation(Activation::sigmoid, [](double a, double) { return 1 / (1 + std::exp(-a)); });
  activation(Activation::gelu,
             [](double a, double) { return a / 2 * (1 + std::erf(a / std::numbers::sqrt2)); });
  activation(Activation::gelu_tanh, [](double a, double) {
    return a / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (a + 0.044715 * a * a * a)));
  });
  activation(Activation::relu, [](double a, double) { return std::max(a, 0.0); });
  activation(Activation::relu_squared, [](double a, double) { return std::pow(std::max(a, 0.0), 2); });
  activation(Activation::tanh, [](double a, double) { return std::tanh(a); });
  activation(Activation::gelu_quick, [](double a, double) { return a / (1 + std::exp(-1.702 * a)); });
  activation(Activation::softplus, [](double a, double) { return std::log1p(std::exp(a)); });
}

TEST_P(Operations, NarrowerOperandsMeetRunsOfTheWiderOne) {
  const Matrix x = random_matrix(3, 15, 33);
  for (const int narrow : {1, 3}) {  // columns 12 … of x meet runs of its columns 0 … 11
    for (const bool sum : {true, false}) {
      const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) {
        const Value wide = g.columns(v, 0, 12);
        const Value other = g.activate(Activation::sigmoid, g.columns(v, 12, narrow));
        return sum ? g.add(wide, other) : g.multiply(wide, other);
      });
      const Matrix expected = table_of(3, 12, [&](int r, int c) {
        const double b = 1 / (1 + std::exp(-at(x, r, 12 + c / (12 / narrow))));
        return sum ? at(x, r, c) + b : at(x, r, c) * b;
      });
      EXPECT_LE(max_difference(y, expected), close) << narrow;
    }
  }
  const auto misfit = [](Graph& g, Value v) { return g.add(g.columns(v, 0, 12), g.columns(v, 0, 5)); };
  EXPECT_THROW(evaluate(backend(), x, misfit), Error);
}

TEST_P(Operations, ParametersMeetEveryRow) {
  const Matrix x = random_matrix(3, 600, 34);
  for (const int period : {1, 300, 600}) {
    const std::vector<float> values = random_values(static_cast<std::size_t>(period), 35);
    const Tensor parameter = make_tensor("p", {period}, values, Dtype::f16, 1);
    const auto value = [&](int c) {
      return rounded(values[static_cast<std::size_t>(c % period)], Dtype::f16);
    };
    const Matrix sum = evaluate(backend(), x, [&](Graph& g, Value v) { return g.add(v, parameter); });
    const auto added = [&](int r, int c) { return at(x, r, c) + value(c); };
    EXPECT_LE(max_difference(sum, table_of(3, 600, added)), close);
    const Matrix product =
        evaluate(backend(), x, [&](Graph& g, Value v) { return g.multiply(v, parameter); });
    const auto multiplied = [&](int r, int c) { return at(x, r, c) * value(c); };
    EXPECT_LE(max_difference(product, table_of(3, 600, multiplied)), close);
  }
}

TEST_P(Operations, ScaleByPosition) {
  const Matrix x = random_matrix(7, 4, 36);
  const PositionScale scale{.beta = 0.5F, .period = 2, .offset = 1};
  const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) { return g.scale(v, scale); });
  const Matrix expected = table_of(
      7, 4, [&](int r, int c) { return at(x, r, c) * (1 + 0.5 * std::log1p(std::floor((r + 1) / 2.0))); });
  EXPECT_LE(max_difference(y, expected), close);
}

TEST_P(Operations, ColumnsOfRunsAndTheirJoining) {
  const Matrix x = random_matrix(3, 24, 37);
  // Heads of 8: the first 5 of each, then the other 3 of each; joined again per head, in the other order.
  const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) {
    const Value parts[] = {g.columns(v, 5, 3, 8), g.columns(v, 0, 5, 8)};
    EXPECT_EQ(g.width(parts[0]), 9);
    return g.concat(parts, 3);
  });
  const auto turned = [&](int r, int c) { return at(x, r, c / 8 * 8 + (c % 8 + 5) % 8); };
  EXPECT_EQ(max_difference(y, table_of(3, 24, turned)), 0);
  const Matrix twice = evaluate(backend(), x, [&](Graph& g, Value v) {
    const Value parts[] = {g.columns(v, 20, 4), v};
    return g.concat(parts);
  });
  const auto doubled = [&](int r, int c) { return at(x, r, c < 4 ? 20 + c : c - 4); };
  EXPECT_EQ(max_difference(twice, table_of(3, 28, doubled)), 0);
}

TEST_P(Operations, ShapesAreKnownWhileRecordingAndMisfitsAreNamed) {
  const Matrix x = random_matrix(3, 8, 20);
  const Linear linear{.name = "model.layers.7.mlp.up_proj",
                      .weight = dense(random_matrix(5, 9, 21)),
                      .bias = {},
                      .adapters = {}};
  try {
    evaluate(backend(), x, [&](Graph& g, Value v) {
      EXPECT_EQ(g.rows(v), 3);
      EXPECT_EQ(g.width(v), 8);
      return g.linear(linear, v);
    });
    FAIL() << "a weight of 9 columns took 8";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("model.layers.7.mlp.up_proj"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("[5, 9]"), std::string::npos) << e.what();
  }
}

TEST_P(Operations, TokensOutsideTheVocabularyAreRefused) {
  const Weight table = dense(random_matrix(3, 8, 22));
  const auto runner = backend().load([&](Graph& g) { g.output("logits", g.embedding(table)); }, {});
  Outputs outputs;
  Step step = testing::plain_step(3);
  step.tokens[1] = 3;
  EXPECT_THROW(runner->run(step, outputs), Error);
  step.tokens[1] = -1;
  EXPECT_THROW(runner->run(step, outputs), Error);
}

TEST_P(Operations, StepsThatContradictThemselvesAreRefused) {
  const Weight table = dense(random_matrix(4, 8, 23));
  const auto runner = backend().load([&](Graph& g) { g.output("logits", g.embedding(table)); }, {});
  Outputs outputs;
  const Step sound = testing::plain_step(4);
  Step step = sound;
  step.segments[0].length = 3;
  EXPECT_THROW(runner->run(step, outputs), Error) << "a token without a segment";
  step = sound;
  step.segments[0].planned_length = 3;
  EXPECT_THROW(runner->run(step, outputs), Error) << "planned shorter than it is";
  step = sound;
  step.out_rows = {1, 1};
  EXPECT_THROW(runner->run(step, outputs), Error) << "rows not ascending";
  step = sound;
  step.out_rows = {4};
  EXPECT_THROW(runner->run(step, outputs), Error) << "a row that is not there";
  step = sound;
  step.out_rows.clear();
  runner->run(step, outputs);
  EXPECT_TRUE(outputs.empty());
}

INSTANTIATE_TEST_SUITE_P(Backends, Operations, ::testing::ValuesIn(testing::every_backend),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Backends, ReferenceIsByNameAndOthersAreRefused) {
  EXPECT_EQ(make_backend("reference")->name(), "reference");
  try {
    make_backend("abacus");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(e.what()).find("abacus"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("reference"), std::string::npos);
  }
}

}  // namespace
}  // namespace pome::graph
