// Routers, experts and matrices per head on every backend against a plain twin in float64.
#include <gtest/gtest.h>

#include <cmath>

#include "graph/testing.h"
#include "pome/error.h"

namespace pome::graph {
namespace {

using testing::evaluate;
using testing::make_tensor;
using testing::max_difference;
using testing::random_matrix;
using testing::random_values;
using testing::rounded;

constexpr int count = 5, chosen = 2, width = 64, inner = 32, rows = 9;

enum class Kind : std::uint8_t { f32, bf16, affine, mxfp4 };

class ExpertOperations : public ::testing::TestWithParam<testing::Tested> {
 protected:
  Backend& backend() { return *backend_; }
  // What the backend may be off by where products of floats are by `close`.
  double tolerance(Kind kind, double close) const {
    if (kind == Kind::affine || kind == Kind::mxfp4) return GetParam().quantized;
    return kind == Kind::bf16 ? std::max(close, GetParam().bf16) : close;
  }
  std::unique_ptr<Backend> backend_ = GetParam().make();
};

// A stack [n, out, in] and the values it holds.
struct Stack {
  Weight weight;
  std::vector<double> values;
  int out = 0, in = 0;

  double at(int e, int o, int i) const { return values[(static_cast<std::size_t>(e) * out + o) * in + i]; }
};

Stack dense_stack(int n, int out, int in, unsigned seed, Dtype dtype) {
  Stack stack;
  const std::vector<float> values = random_values(static_cast<std::size_t>(n) * out * in, seed, 0.2F);
  stack.weight.weight = make_tensor("stack", {n, out, in}, values, dtype, 1);
  for (const float v : values) stack.values.push_back(rounded(v, dtype));
  stack.out = out;
  stack.in = in;
  return stack;
}

Tensor code_tensor(const std::vector<std::uint32_t>& words, std::vector<std::int64_t> shape) {
  auto owner = std::make_shared<std::vector<std::uint32_t>>(words);
  Tensor tensor;
  tensor.name = "codes";
  tensor.dtype = Dtype::u32;
  tensor.shape = std::move(shape);
  tensor.data = reinterpret_cast<const std::byte*>(owner->data());
  tensor.size_bytes = words.size() * 4;
  tensor.owner = owner;
  return tensor;
}

// 4 bits in groups of 32: affine with float16 scales, or mxfp4.
Stack quantized_stack(int n, int out, int in, unsigned seed, bool mxfp4) {
  constexpr int group = 32;
  static constexpr double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  Stack stack;
  stack.out = out;
  stack.in = in;
  std::mt19937 generator(seed);
  const std::size_t elements = static_cast<std::size_t>(n) * out * in;
  std::vector<std::uint32_t> words(elements / 8);
  std::vector<float> scales, biases;
  auto bytes = std::make_shared<std::vector<std::byte>>();
  for (std::size_t g = 0; g < elements / group; ++g) {
    const int exponent = static_cast<int>(generator() % 3) + 122;  // 2^-5 …
    bytes->push_back(static_cast<std::byte>(exponent));
    scales.push_back(rounded(0.002F * static_cast<float>(generator() % 30), Dtype::f16));
    biases.push_back(rounded(-7 * scales.back(), Dtype::f16));
  }
  for (std::size_t i = 0; i < elements; ++i) {
    const unsigned code = generator() % 16;
    words[i / 8] |= code << i % 8 * 4;
    const std::size_t g = i / group;
    const double value = std::ldexp((code & 8) != 0 ? -e2m1[code & 7] : e2m1[code & 7],
                                    std::to_integer<int>((*bytes)[g]) - 127);
    stack.values.push_back(mxfp4 ? value : static_cast<double>(scales[g]) * code + biases[g]);
  }
  stack.weight.weight = code_tensor(words, {n, out, in / 8});
  const std::vector<std::int64_t> groups{n, out, in / group};
  stack.weight.quantization =
      Quantization{.mode = mxfp4 ? "mxfp4" : "affine", .bits = 4, .group_size = group};
  if (mxfp4) {
    Tensor exponents = stack.weight.weight;
    exponents.name = "scales";
    exponents.dtype = Dtype::u8;
    exponents.shape = groups;
    exponents.data = bytes->data();
    exponents.size_bytes = bytes->size();
    exponents.owner = bytes;
    stack.weight.scales = exponents;
  } else {
    stack.weight.scales = make_tensor("scales", groups, scales, Dtype::f16);
    stack.weight.biases = make_tensor("biases", groups, biases, Dtype::f16);
  }
  return stack;
}

Stack make_stack(Kind kind, int n, int out, int in, unsigned seed) {
  if (kind == Kind::affine || kind == Kind::mxfp4) {
    return quantized_stack(n, out, in, seed, kind == Kind::mxfp4);
  }
  return dense_stack(n, out, in, seed, kind == Kind::bf16 ? Dtype::bf16 : Dtype::f32);
}

// x, and behind it routes as route() yields them.
Matrix with_routes(int count_of_rows) {
  Matrix x{count_of_rows, width + 2 * chosen, {}};
  const std::vector<float> values = random_values(static_cast<std::size_t>(count_of_rows) * width, 1);
  for (int r = 0; r < count_of_rows; ++r) {
    x.values.insert(x.values.end(), values.begin() + r * width, values.begin() + (r + 1) * width);
    const int first = r * 3 % 4;  // the last expert is nobody's first choice
    x.values.insert(x.values.end(),
                    {static_cast<float>(first), static_cast<float>((first + 1 + r % 2) % count),
                     0.25F + 0.1F * static_cast<float>(r), -0.5F});
  }
  return x;
}

struct Case {
  Kind kind;
  Experts::Fused fused = Experts::Fused::no;
  bool gated = true;
  bool weigh_inputs = false;
  bool unstacked = false;
  bool biases = false;
  float limit = 0;
};

struct Made {
  Experts experts;
  Stack gate, up, down;
  std::vector<float> gate_bias, up_bias, down_bias;
};

ExpertMatrices matrices(const Stack& stack, bool unstacked) {
  if (!unstacked) return {{stack.weight}, {}};
  ExpertMatrices all;
  for (int e = 0; e < count; ++e) all.parts.push_back(stacked_weight(stack.weight, e));
  return all;
}

Made make(const Case& c) {
  Made m;
  const int gate_rows = c.fused == Experts::Fused::no ? inner : 2 * inner;
  m.gate = make_stack(c.kind, count, gate_rows, width, 2);
  m.up = make_stack(c.kind, count, inner, width, 3);
  m.down = make_stack(c.kind, count, width, inner, 4);
  m.experts.name = "mlp.experts";
  m.experts.count = count;
  m.experts.gate = matrices(m.gate, c.unstacked);
  if (c.fused == Experts::Fused::no && c.gated) m.experts.up = matrices(m.up, c.unstacked);
  m.experts.down = matrices(m.down, c.unstacked);
  m.experts.fused = c.fused;
  m.experts.gating = {.activation = c.gated ? Activation::silu : Activation::relu_squared, .limit = c.limit};
  m.experts.weigh_inputs = c.weigh_inputs;
  m.gate_bias = random_values(static_cast<std::size_t>(count) * gate_rows, 5);
  m.up_bias = random_values(static_cast<std::size_t>(count) * inner, 6);
  m.down_bias = random_values(static_cast<std::size_t>(count) * width, 7);
  if (c.biases) {
    m.experts.gate.bias = make_tensor("b", {count, gate_rows}, m.gate_bias);
    if (m.experts.up.exists()) m.experts.up.bias = make_tensor("b", {count, inner}, m.up_bias);
    m.experts.down.bias = make_tensor("b", {count, width}, m.down_bias);
  }
  return m;
}

std::vector<double> product(const Stack& stack, const std::vector<float>* bias, int e,
                            const std::vector<double>& x) {
  std::vector<double> y;
  for (int o = 0; o < stack.out; ++o) {
    double sum = bias == nullptr ? 0 : (*bias)[static_cast<std::size_t>(e * stack.out + o)];
    for (int i = 0; i < stack.in; ++i) sum += stack.at(e, o, i) * x[static_cast<std::size_t>(i)];
    y.push_back(sum);
  }
  return y;
}

std::vector<double> twin(const Case& c, const Made& m, int e, const std::vector<double>& x) {
  const std::vector<double> gate = product(m.gate, c.biases ? &m.gate_bias : nullptr, e, x);
  const std::vector<double> up = product(m.up, c.biases ? &m.up_bias : nullptr, e, x);
  std::vector<double> hidden;
  for (std::size_t i = 0; i < inner; ++i) {
    double g = c.fused == Experts::Fused::alternating ? gate[2 * i] : gate[i];
    double u = c.fused == Experts::Fused::no            ? up[i]
               : c.fused == Experts::Fused::alternating ? gate[2 * i + 1]
                                                        : gate[inner + i];
    if (!c.gated) {
      hidden.push_back(std::pow(std::max(g, 0.0), 2));
    } else if (c.limit > 0) {
      g = std::min(g, static_cast<double>(c.limit));
      u = std::clamp(u, -static_cast<double>(c.limit), static_cast<double>(c.limit));
      hidden.push_back(g / (1 + std::exp(-1.702 * g)) * (u + 1));
    } else {
      hidden.push_back(g / (1 + std::exp(-g)) * u);
    }
  }
  return product(m.down, c.biases ? &m.down_bias : nullptr, e, hidden);
}

TEST_P(ExpertOperations, ExpertsOfEveryKind) {
  const Case cases[] = {
      {.kind = Kind::f32},
      {.kind = Kind::bf16, .fused = Experts::Fused::halves},
      {.kind = Kind::affine},
      {.kind = Kind::affine, .unstacked = true, .biases = true},
      {.kind = Kind::affine, .fused = Experts::Fused::alternating, .biases = true, .limit = 0.8F},
      {.kind = Kind::mxfp4, .fused = Experts::Fused::alternating, .biases = true, .limit = 0.8F},
      {.kind = Kind::mxfp4},
      {.kind = Kind::f32, .gated = false},
      {.kind = Kind::affine, .weigh_inputs = true},
      {.kind = Kind::f32, .weigh_inputs = true, .unstacked = true},
  };
  for (const Case& c : cases) {
    const Made m = make(c);
    for (const int count_of_rows : {1, rows}) {
      const Matrix x = with_routes(count_of_rows);
      const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) {
        return g.experts(m.experts, g.columns(v, 0, width), g.columns(v, width, 2 * chosen));
      });
      Matrix expected{count_of_rows, width,
                      std::vector<float>(static_cast<std::size_t>(count_of_rows) * width)};
      for (int r = 0; r < count_of_rows; ++r) {
        const auto row = x.row(r);
        std::vector<double> sum(width);
        for (int k = 0; k < chosen; ++k) {
          const double weight = row[width + chosen + k];
          std::vector<double> input(row.begin(), row.begin() + width);
          if (c.weigh_inputs) {
            for (double& v : input) v *= weight;
          }
          const std::vector<double> out = twin(c, m, static_cast<int>(row[width + k]), input);
          for (int i = 0; i < width; ++i) {
            sum[static_cast<std::size_t>(i)] +=
                out[static_cast<std::size_t>(i)] * (c.weigh_inputs ? 1 : weight);
          }
        }
        for (int i = 0; i < width; ++i) {
          expected.values[static_cast<std::size_t>(r * width + i)] =
              static_cast<float>(sum[static_cast<std::size_t>(i)]);
        }
      }
      EXPECT_LE(max_difference(y, expected), tolerance(c.kind, 1e-4))
          << "case " << &c - cases << ", " << count_of_rows << " rows";
    }
  }
}

TEST_P(ExpertOperations, RoutesComeFromLogits) {
  const Matrix logits = random_matrix(4, 6, 8);
  const std::vector<float> correction = random_values(6, 9);
  const Tensor bias = make_tensor("bias", {6}, correction, Dtype::bf16, 1);
  const Routing routing{.experts = 6,
                        .chosen = 2,
                        .scores = Routing::Scores::sigmoid,
                        .correction = &bias,
                        .normalize = true,
                        .scale = 2};
  const Matrix y = evaluate(backend(), logits, [&](Graph& g, Value v) { return g.route(routing, v); });
  ASSERT_EQ(y.width, 4);
  for (int r = 0; r < 4; ++r) {
    std::vector<std::pair<double, int>> order;
    const auto score = [&](int e) { return 1 / (1 + std::exp(-static_cast<double>(logits.row(r)[e]))); };
    for (int e = 0; e < 6; ++e) order.emplace_back(score(e) + rounded(correction[e], Dtype::bf16), e);
    std::sort(order.rbegin(), order.rend());
    const int a = order[0].second, b = order[1].second;
    EXPECT_EQ(y.row(r)[0], static_cast<float>(a));
    EXPECT_EQ(y.row(r)[1], static_cast<float>(b));
    EXPECT_NEAR(y.row(r)[2], 2 * score(a) / (score(a) + score(b)), 1e-6);
    EXPECT_NEAR(y.row(r)[3], 2 * score(b) / (score(a) + score(b)), 1e-6);
  }
  const Routing misfit{.experts = 5, .chosen = 2};
  EXPECT_THROW(evaluate(backend(), logits, [&](Graph& g, Value v) { return g.route(misfit, v); }), Error);
}

TEST_P(ExpertOperations, HeadsMeetTheirOwnMatrices) {
  for (const Kind kind : {Kind::f32, Kind::bf16, Kind::affine, Kind::mxfp4}) {
    const Stack stack = make_stack(kind, 3, 70, 32, 10);
    for (const int count_of_rows : {1, 7}) {
      const Matrix x = random_matrix(count_of_rows, 3 * 32, 11);
      for (const auto& [first, part] : {std::pair(0, 0), std::pair(20, 50)}) {
        const HeadLinear linear{.name = "kv_b", .weight = stack.weight, .first = first, .count = part};
        const Matrix y = evaluate(backend(), x, [&](Graph& g, Value v) { return g.head_linear(linear, v); });
        const int out = part > 0 ? part : 70;
        Matrix expected{count_of_rows, 3 * out, {}};
        for (int r = 0; r < count_of_rows; ++r) {
          for (int c = 0; c < 3 * out; ++c) {
            double sum = 0;
            for (int i = 0; i < 32; ++i) {
              sum += stack.at(c / out, first + c % out, i) * x.row(r)[c / out * 32 + i];
            }
            expected.values.push_back(static_cast<float>(sum));
          }
        }
        EXPECT_LE(max_difference(y, expected), tolerance(kind, 2e-5))
            << static_cast<int>(kind) << ", rows from " << first;
      }
    }
  }
}

TEST_P(ExpertOperations, MisfitsAreNamed) {
  Made m = make({.kind = Kind::f32});
  m.experts.count = 4;
  try {
    evaluate(backend(), with_routes(2), [&](Graph& g, Value v) {
      return g.experts(m.experts, g.columns(v, 0, width), g.columns(v, width, 2 * chosen));
    });
    FAIL() << "a stack of 5 served 4 experts";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("mlp.experts"), std::string::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, ExpertOperations, ::testing::ValuesIn(testing::every_backend),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace pome::graph
