#include "kernels/recurrence/recurrence.h"

#include <gtest/gtest.h>

#include "kernels/recurrence/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using recurrence::Functions;
using recurrence::Row;

std::vector<const Row*> levels() { return executable(recurrence::rows()); }
const Functions& scalar() { return *recurrence::rows().front().functions; }

std::size_t size_of(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

// ---- convolution

struct Convolution {
  int channels, kernel, rows;
  RandomDense weight, bias;
  std::vector<float> x;
  std::vector<float> state;

  Convolution(int c, int k, int r, Element type = Element::bf16)
      : channels(c),
        kernel(k),
        rows(r),
        weight(c, k, type, 1),
        bias(1, c, type, 0, 5),
        x(gaussian(r, c + 3)),
        state(gaussian(k - 1, c, false, 9)) {}

  ConvolutionSpec spec(bool with_bias = true) const {
    return {channels,
            kernel,
            {weight.matrix.data, weight.matrix.type},
            {with_bias ? bias.matrix.data : nullptr, bias.matrix.type}};
  }

  // Rows [first, first + count), which begin with what `from` remembers.
  std::vector<float> run(const Functions& functions, int first, int count, const float* from,
                         std::vector<float>& next, bool with_bias = true) const {
    std::vector<float> out(size_of(count, channels));
    next.assign(size_of(kernel - 1, channels), -9.0f);
    const ConvolutionRows part = {x.data() + std::ptrdiff_t{first} * (channels + 3), channels + 3, out.data(),
                                  channels, count};
    functions.convolve(spec(with_bias), part, from, next.data(), 0, channels / 2);
    functions.convolve(spec(with_bias), part, from, next.data(), channels / 2, channels);
    return out;
  }

  double input(int t, int c, bool zeros) const {
    if (t >= 0) return double{x[size_of(t, channels + 3) + static_cast<std::size_t>(c)]};
    return zeros ? 0 : double{state[size_of(kernel - 1 + t, channels) + static_cast<std::size_t>(c)]};
  }
};

TEST(Convolution, IsCloseToFloat64) {
  for (const bool zeros : {false, true}) {
    for (const Element type : {Element::f32, Element::f16, Element::bf16}) {
      const Convolution c(37, 4, 6, type);
      for (const Row* row : levels()) {
        std::vector<float> next;
        const std::vector<float> out =
            c.run(*row->functions, 0, c.rows, zeros ? nullptr : c.state.data(), next, !zeros);
        for (int t = 0; t < c.rows; ++t) {
          for (int i = 0; i < c.channels; ++i) {
            double expected = zeros ? 0 : c.bias.at(0, i);
            for (int k = 0; k < c.kernel; ++k) expected += c.weight.at(i, k) * c.input(t - 3 + k, i, zeros);
            EXPECT_NEAR(double{out[size_of(t, c.channels) + static_cast<std::size_t>(i)]}, expected, 2e-6);
          }
        }
        for (int t = 0; t < 3; ++t) {
          for (int i = 0; i < c.channels; ++i) {
            EXPECT_EQ(double{next[size_of(t, c.channels) + static_cast<std::size_t>(i)]},
                      c.input(c.rows - 3 + t, i, zeros));
          }
        }
      }
    }
  }
}

TEST(Convolution, HasTheSameBitsOnEachLevelAndHoweverItIsCut) {
  for (const int kernel : {1, 2, 3, 4, 9}) {
    const Convolution c(50, kernel, 12);
    std::vector<float> whole_next;
    const std::vector<float> whole = c.run(scalar(), 0, c.rows, c.state.data(), whole_next);
    for (const Row* row : levels()) {
      for (const int chunk : {1, 5, 12}) {
        std::vector<float> state = c.state, next, all;
        for (int t = 0; t < c.rows; t += chunk) {
          const std::vector<float> part =
              c.run(*row->functions, t, std::min(chunk, c.rows - t), state.data(), next);
          all.insert(all.end(), part.begin(), part.end());
          state = next;
        }
        EXPECT_TRUE(same_bits(all, whole)) << isa_name(row->isa) << ", " << kernel << " taps by " << chunk;
        EXPECT_TRUE(same_bits(next, whole_next)) << isa_name(row->isa);
      }
    }
  }
}

// ---- recurrence

struct Recurrence {
  RecurrenceSpec shape;
  int rows;
  RandomDense skip;
  std::vector<float> q, k, v, decay, beta, state;

  Recurrence(int heads, int key_heads, int key_dim, int value_dim, bool delta, int count)
      : shape{heads, key_heads, key_dim, value_dim, delta, {}},
        rows(count),
        skip(1, heads, Element::f16, 1),
        q(gaussian(count, key_heads * key_dim, false, 1)),
        k(gaussian(count, key_heads * key_dim, false, 2)),
        v(gaussian(count, heads * value_dim, false, 3)),
        decay(gaussian(count, heads, false, 4)),
        beta(gaussian(count, heads, false, 5)),
        state(gaussian(heads * value_dim, key_dim, false, 6)) {
    for (float& d : decay) d = 1 / (1 + std::exp(d));
    for (float& b : beta) b = 1 / (1 + std::exp(b));
    for (float& x : k) x /= std::sqrt(static_cast<float>(key_dim));
    if (!delta) shape.skip = {skip.matrix.data, Element::f16};
  }

  std::vector<float> run(const Functions& functions, int first, int count, const float* from,
                         std::vector<float>& next) const {
    const auto& [heads, key_heads, key_dim, value_dim, delta, d] = shape;
    std::vector<float> out(size_of(count, heads * value_dim), -9.0f);
    next.assign(size_of(heads * value_dim, key_dim), -9.0f);
    const auto at = [first](const std::vector<float>& x, int width) {
      return x.data() + std::ptrdiff_t{first} * width;
    };
    const RecurrenceRows part = {at(q, key_heads * key_dim),
                                 at(k, key_heads * key_dim),
                                 at(v, heads * value_dim),
                                 at(decay, heads),
                                 at(beta, heads),
                                 out.data(),
                                 key_heads * key_dim,
                                 key_heads * key_dim,
                                 heads * value_dim,
                                 heads,
                                 heads,
                                 heads * value_dim,
                                 count};
    for (int unit = 0; unit < recurrence_units(shape); ++unit) {
      functions.recur(shape, part, from, next.data(), unit);
    }
    return out;
  }

  std::vector<double> twin() const {
    const auto& [heads, key_heads, key_dim, value_dim, delta, d] = shape;
    std::vector<double> s(state.begin(), state.end()), out;
    for (int t = 0; t < rows; ++t) {
      for (int h = 0; h < heads; ++h) {
        const auto th = size_of(t, heads) + static_cast<std::size_t>(h);
        const std::size_t key = size_of(t, key_heads * key_dim) + size_of(h / (heads / key_heads), key_dim);
        for (int j = 0; j < value_dim; ++j) {
          const auto value =
              double{v[size_of(static_cast<int>(th), value_dim) + static_cast<std::size_t>(j)]};
          double* row = s.data() + size_of(h * value_dim + j, key_dim);
          double found = 0, read = 0;
          for (int i = 0; i < key_dim; ++i) {
            row[i] *= double{decay[th]};
            found += row[i] * double{k[key + static_cast<std::size_t>(i)]};
          }
          for (int i = 0; i < key_dim; ++i) {
            row[i] += double{beta[th]} * (value - (delta ? found : 0)) *
                      double{k[key + static_cast<std::size_t>(i)]};
            read += row[i] * double{q[key + static_cast<std::size_t>(i)]};
          }
          out.push_back(read + (delta ? 0 : skip.at(0, h) * value));
        }
      }
    }
    return out;
  }
};

const int shapes[][4] = {{4, 2, 32, 32}, {3, 1, 21, 7}, {2, 2, 128, 40}, {1, 1, 4, 1}, {6, 3, 16, 18}};

TEST(Recurrence, IsCloseToFloat64) {
  for (const auto& [heads, key_heads, key_dim, value_dim] : shapes) {
    for (const bool delta : {false, true}) {
      const Recurrence r(heads, key_heads, key_dim, value_dim, delta, 20);
      const std::vector<double> expected = r.twin();
      for (const Row* row : levels()) {
        std::vector<float> next;
        const std::vector<float> out = r.run(*row->functions, 0, r.rows, r.state.data(), next);
        for (std::size_t i = 0; i < out.size(); ++i) {
          EXPECT_NEAR(double{out[i]}, expected[i], 1e-4 * std::sqrt(key_dim)) << isa_name(row->isa);
        }
      }
    }
  }
}

TEST(Recurrence, HasTheSameBitsOnEachLevelAndHoweverItIsCut) {
  for (const auto& [heads, key_heads, key_dim, value_dim] : shapes) {
    for (const bool delta : {false, true}) {
      const Recurrence r(heads, key_heads, key_dim, value_dim, delta, 11);
      std::vector<float> whole_next;
      const std::vector<float> whole = r.run(scalar(), 0, r.rows, r.state.data(), whole_next);
      for (const Row* row : levels()) {
        for (const int chunk : {1, 4, 11}) {
          std::vector<float> state = r.state, next, all;
          for (int t = 0; t < r.rows; t += chunk) {
            const std::vector<float> part =
                r.run(*row->functions, t, std::min(chunk, r.rows - t), state.data(), next);
            all.insert(all.end(), part.begin(), part.end());
            state = next;
          }
          EXPECT_TRUE(same_bits(all, whole)) << isa_name(row->isa) << " by " << chunk;
          EXPECT_TRUE(same_bits(next, whole_next)) << isa_name(row->isa) << " by " << chunk;
        }
      }
    }
  }
}

TEST(Recurrence, WithoutAStateBeginsWithZeros) {
  const Recurrence r(2, 2, 20, 10, true, 3);
  const std::vector<float> zeros(r.state.size());
  for (const Row* row : levels()) {
    std::vector<float> a, b;
    EXPECT_TRUE(
        same_bits(r.run(*row->functions, 0, 3, nullptr, a), r.run(*row->functions, 0, 3, zeros.data(), b)));
    EXPECT_TRUE(same_bits(a, b));
  }
}

// ---- decay

TEST(Decay, IsCloseToFloat64AndEqualOnEachLevel) {
  const int count = 403;
  const RandomDense a_log(1, count, Element::bf16, 1, 8);
  std::vector<float> dt = gaussian(1, count, true), first;
  for (float& value : dt) value = std::fabs(value);
  for (const Row* row : levels()) {
    std::vector<float> out(dt.size());
    row->functions->decay(dt.data(), {a_log.matrix.data, Element::bf16}, out.data(), count);
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      EXPECT_NEAR(double{out[at]}, std::exp(-double{dt[at]} * std::exp(a_log.at(0, i))), 2e-7);
    }
    if (first.empty()) first = out;
    EXPECT_TRUE(same_bits(out, first)) << isa_name(row->isa);
  }
}

}  // namespace
}  // namespace pome::kernels
