// For this room's tests and benchmarks: rows of logits of several tempers.
#pragma once

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace pome::engine::testing {

// shape 0: normal, as a model's; 1: flat; 2: few different values (ties); 3: one token far ahead; 4: half
// -inf.
inline std::vector<float> random_logits(std::size_t size, unsigned seed, int shape = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(size);
  for (float& x : logits) {
    const float z = normal(random);
    x = shape == 1 ? 0.01f * z : shape == 2 ? std::round(z) : z;
    if (shape == 4 && random() % 2 == 0) x = -std::numeric_limits<float>::infinity();
  }
  if (shape == 3) logits[size / 2] = 80;
  if (shape == 4) logits[size / 2] = 1;
  return logits;
}

inline constexpr int shapes = 5;

}  // namespace pome::engine::testing
