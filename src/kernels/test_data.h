// Random weights and activations for the kernels' tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "kernels/decode/decode.h"
#include "kernels/isa.h"

namespace pome::kernels {

inline void put_element(std::uint8_t* to, std::size_t i, Element type, float value) {
  if (type == Element::f32) {
    std::memcpy(to + 4 * i, &value, 4);
  } else {
    const std::uint16_t half = type == Element::f16 ? f32_to_f16(value) : f32_to_bf16(value);
    std::memcpy(to + 2 * i, &half, 2);
  }
}

inline float get_element(const void* from, std::int64_t i, Element type) {
  if (type == Element::f32) {
    float value;
    std::memcpy(&value, static_cast<const std::uint8_t*>(from) + 4 * i, 4);
    return value;
  }
  std::uint16_t half;
  std::memcpy(&half, static_cast<const std::uint8_t*>(from) + 2 * i, 2);
  return type == Element::f16 ? f16_to_f32(half) : bf16_to_f32(half);
}

// A quantized matrix that owns its tensors, each `misalignment` bytes past its allocation's start and ending
// with it, so that a sanitizer sees any read beyond.
struct RandomQuantized {
  std::vector<std::uint8_t> codes, scales, biases;
  QuantizedMatrix matrix;

  RandomQuantized(int rows, int columns, int bits, int group, Element type, int misalignment = 0,
                  unsigned seed = 1) {
    std::mt19937 random(seed);
    const auto offset = static_cast<std::size_t>(misalignment);
    const auto elements = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    codes.resize(offset + elements / 8 * static_cast<std::size_t>(bits));
    for (std::size_t i = offset; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(random());
    const std::size_t groups = elements / static_cast<std::size_t>(group);
    const auto size = static_cast<std::size_t>(element_bytes(type));
    scales.resize(offset + groups * size);
    biases.resize(offset + groups * size);
    std::normal_distribution<float> normal;
    const float step = 2.0f / static_cast<float>(1 << bits);
    for (std::size_t i = 0; i < groups; ++i) {
      const float scale = step * (1 + 0.3f * normal(random)) * (i % 3 == 0 ? -1.0f : 1.0f);
      const float bias = -scale * static_cast<float>(1 << bits) / 2 * (1 + 0.1f * normal(random));
      put_element(scales.data() + offset, i, type, scale);
      put_element(biases.data() + offset, i, type, bias);
    }
    matrix = {codes.data() + offset,
              scales.data() + offset,
              biases.data() + offset,
              type,
              bits,
              group,
              rows,
              columns};
  }

  double at(int n, int k) const {
    const std::int64_t bit = std::int64_t{k} * matrix.bits;
    const std::uint8_t* row = matrix.codes + std::int64_t{n} * matrix.columns / 8 * matrix.bits;
    int code = 0;
    for (int b = 0; b < matrix.bits; ++b) code |= (row[(bit + b) / 8] >> (bit + b) % 8 & 1) << b;
    const std::int64_t group = std::int64_t{n} * (matrix.columns / matrix.group) + k / matrix.group;
    return double{get_element(matrix.scales, group, matrix.scale_type)} * code +
           double{get_element(matrix.biases, group, matrix.scale_type)};
  }
};

// A dense matrix that owns its elements, misaligned in the same way.
struct RandomDense {
  std::vector<std::uint8_t> data;
  DenseMatrix matrix;

  RandomDense(int rows, int columns, Element type, int misalignment = 0, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto offset = static_cast<std::size_t>(misalignment);
    const auto elements = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    data.resize(offset + elements * static_cast<std::size_t>(element_bytes(type)));
    for (std::size_t i = 0; i < elements; ++i) put_element(data.data() + offset, i, type, normal(random));
    matrix = {data.data() + offset, type, rows, columns};
  }

  double at(int n, int k) const {
    return double{get_element(matrix.data, std::int64_t{n} * matrix.columns + k, matrix.type)};
  }
};

// [rows, columns], standard normal; with outliers every 331st element is 60 times as large.
inline std::vector<float> gaussian(int rows, int columns, bool outliers = false, unsigned seed = 7) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = normal(random) * (outliers && i % 331 == 0 ? 60.0f : 1.0f);
  return x;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Relative RMS error of y [rows, N] against x·Wᵀ in float64.
template <class Weights>
double relative_error(const Weights& w, const std::vector<float>& x, int rows, const std::vector<float>& y) {
  const int outputs = w.matrix.rows, inputs = w.matrix.columns;
  double error = 0, norm = 0;
  for (int m = 0; m < rows; ++m) {
    for (int n = 0; n < outputs; ++n) {
      double exact = 0;
      for (int k = 0; k < inputs; ++k)
        exact += w.at(n, k) * double{x[static_cast<std::size_t>(m * inputs + k)]};
      const double difference = double{y[static_cast<std::size_t>(m * outputs + n)]} - exact;
      error += difference * difference;
      norm += exact * exact;
    }
  }
  return std::sqrt(error / norm);
}

// The levels of an operation that this machine executes.
template <class Row>
std::vector<const Row*> executable(std::span<const Row> rows) {
  std::vector<const Row*> found;
  for (const Row& row : rows) {
    if (executes(row.isa)) found.push_back(&row);
  }
  return found;
}

}  // namespace pome::kernels
