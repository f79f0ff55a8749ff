#include "kernels/qmm/experts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

struct AlignedBytes {
  explicit AlignedBytes(std::size_t size) : bytes(size + 64) {}
  void* get() {
    return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }
  std::vector<std::uint8_t> bytes;
};

TEST(Experts, GroupedRowsHaveTheBitsOfSingleProducts) {
  constexpr int experts = 5, n = 100, k = 448, tokens = 11;
  const std::vector<std::int32_t> routes[experts] = {
      {0, 3, 10}, {}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {7}, {0, 7}};
  for (Precision precision : {Precision::standard, Precision::fast}) {
    for (int bits : {4, 6}) {
      const RandomQuantized all(experts * n, k, bits, 64, Element::bf16, 1);
      QuantizedMatrix stack = all.matrix;
      stack.rows = n;
      const std::vector<float> x = gaussian(tokens, k);
      const ActivationFormat format = activation_format(stack, precision);
      AlignedBytes memory(activation_bytes(format, tokens, k));
      const Activations quantized = lay_out_activations(format, tokens, k, memory.get());
      quantize_activations(x.data(), k, quantized, 0, tokens);

      std::vector<std::int32_t> rows, offsets = {0};
      for (const auto& route : routes) {
        rows.insert(rows.end(), route.begin(), route.end());
        offsets.push_back(static_cast<std::int32_t>(rows.size()));
      }
      const int grouped_rows = offsets.back();
      AlignedBytes grouped_memory(activation_bytes(format, grouped_rows, k));
      const Activations grouped = lay_out_activations(format, grouped_rows, k, grouped_memory.get());
      gather(quantized, rows.data(), grouped);

      for (int threads : {1, 3}) {
        ThreadPool pool(threads);
        std::vector<float> y(static_cast<std::size_t>(grouped_rows * n), 50.0f);
        multiply_experts(pool, stack, experts, offsets.data(), grouped, y.data(), n);
        for (int e = 0; e < experts; ++e) {
          QuantizedMatrix matrix = expert(stack, e);
          for (std::int32_t r = offsets[static_cast<std::size_t>(e)];
               r < offsets[static_cast<std::size_t>(e) + 1]; ++r) {
            const int token = rows[static_cast<std::size_t>(r)];
            std::vector<float> expected(n);
            multiply(matrix, slice(quantized, token, token + 1), expected.data(), n, 0, n);
            EXPECT_TRUE(std::equal(expected.begin(), expected.end(), y.begin() + r * n))
                << "expert " << e << ", token " << token << ", " << bits << " bits";
          }
        }
      }
      // The last expert's matrix is the stack's last rows.
      double exact = 0;
      for (int i = 0; i < k; ++i)
        exact += all.at((experts - 1) * n + 7, i) * double{x[static_cast<std::size_t>(i)]};
      std::vector<float> one(n);
      multiply(expert(stack, experts - 1), slice(quantized, 0, 1), one.data(), n, 0, n);
      EXPECT_NEAR(double{one[7]}, exact, precision == Precision::fast ? 1.0 : 1e-2);
    }
  }
}

}  // namespace
}  // namespace pome::kernels
