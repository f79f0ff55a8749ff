// What the tests of backends share: tensors made of numbers, and operations run on chosen inputs.
#pragma once

#include <cstring>
#include <ostream>
#include <random>

#include "graph/backend.h"

namespace pome::graph::testing {

// A backend at a precision, and what that precision costs against float64: in products of quantized weights
// some hundred in size, in products of bfloat16 weights some ten in size, and in attention over a cache.
struct Tested {
  const char* name;
  const char* backend;
  Precision precision;
  double quantized = 5e-4;
  double bf16 = 2e-5;
  double cached = 2e-5;

  std::unique_ptr<Backend> make() const {
    return make_backend(backend, {.precision = precision, .threads = 3});
  }
};

inline constexpr Tested every_backend[] = {
    {.name = "reference", .backend = "reference", .precision = Precision::exact},
    {.name = "cpu_exact", .backend = "cpu", .precision = Precision::exact},
    {.name = "cpu", .backend = "cpu", .precision = Precision::standard, .quantized = 2e-2, .cached = 3e-3},
    {.name = "cpu_fast",
     .backend = "cpu",
     .precision = Precision::fast,
     .quantized = 6,
     .bf16 = 5e-2,
     .cached = 3e-3},
};

inline void PrintTo(const Tested& tested, std::ostream* out) { *out << tested.name; }

// A tensor of these values, rounded to dtype; its bytes begin `misaligned` bytes behind an aligned address.
inline formats::Tensor make_tensor(std::string name, std::vector<std::int64_t> shape,
                                   const std::vector<float>& values, Dtype dtype = Dtype::f32,
                                   std::size_t misaligned = 0) {
  const std::size_t size = static_cast<std::size_t>(dtype_bits(dtype)) / 8;
  auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * size + misaligned);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = dtype == Dtype::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    const void* source = dtype == Dtype::f32 ? static_cast<const void*>(&values[i]) : &half;
    std::memcpy(bytes->data() + misaligned + i * size, source, size);
  }
  formats::Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = bytes->data() + misaligned;
  tensor.size_bytes = values.size() * size;
  tensor.owner = std::move(bytes);
  return tensor;
}

inline float rounded(float value, Dtype dtype) {
  if (dtype == Dtype::f16) return f16_to_f32(f32_to_f16(value));
  return dtype == Dtype::bf16 ? bf16_to_f32(f32_to_bf16(value)) : value;
}

inline std::vector<float> random_values(std::size_t count, unsigned seed, float spread = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(count);
  for (float& v : values) v = normal(generator);
  return values;
}

inline Matrix random_matrix(int rows, int width, unsigned seed, float spread = 1) {
  return {rows, width, random_values(static_cast<std::size_t>(rows) * width, seed, spread)};
}

inline Weight dense(const Matrix& matrix, Dtype dtype = Dtype::f32, std::size_t misaligned = 0) {
  Weight weight;
  weight.weight = make_tensor("dense", {matrix.rows, matrix.width}, matrix.values, dtype, misaligned);
  return weight;
}

inline double max_difference(const Matrix& a, const Matrix& b) {
  if (a.rows != b.rows || a.width != b.width || a.values.size() != b.values.size()) return HUGE_VAL;
  double most = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a.values[i]) - b.values[i]);
    if (!(difference <= most)) most = difference;  // a NaN stays
  }
  return most;
}

// A step over rows 0 … T-1 of a table, all of them wanted.
inline Step plain_step(int rows, Cache* cache = nullptr, int planned_length = 0) {
  Step step;
  for (int i = 0; i < rows; ++i) {
    step.tokens.push_back(i);
    step.out_rows.push_back(i);
  }
  const int past = cache == nullptr ? 0 : cache->length();
  step.segments = {{.begin = 0,
                    .length = rows,
                    .cache = cache,
                    .adapter = 0,
                    .planned_length = std::max(planned_length, past + rows)}};
  return step;
}

// What `operation` makes of the matrix x: the graph's only input is an embedding, so x is its table.
inline Matrix evaluate(Backend& backend, const Matrix& x,
                       const std::function<Value(Graph&, Value)>& operation) {
  const Weight table = dense(x);
  const auto runner =
      backend.load([&](Graph& g) { g.output("logits", operation(g, g.embedding(table))); }, CachePlan{});
  Outputs outputs;
  runner->run(plain_step(x.rows), outputs);
  return outputs.at("logits");
}

}  // namespace pome::graph::testing
