#include "graph/rope.h"

#include <cmath>

#include "base/error.h"

namespace pome::graph {

void fill_rope_tables(const Rope& rope, std::span<const std::int32_t> positions,
                      std::span<const std::int32_t> planned_length, std::span<float> cos,
                      std::span<float> sin) {
  const auto half = static_cast<std::size_t>(rope.dims / 2);
  if (rope.inv_freq.size() != half || planned_length.size() != positions.size() ||
      cos.size() != positions.size() * half || sin.size() != cos.size()) {
    fail(ErrorKind::internal, "rope: {} frequencies and tables of {} for {} positions of {} dimensions",
         rope.inv_freq.size(), cos.size(), positions.size(), rope.dims);
  }
  std::vector<float> scaled;
  std::int32_t scaled_for = -1;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    if (rope.inv_freq_for && planned_length[row] != scaled_for) {
      scaled = rope.inv_freq_for(planned_length[row]);
      scaled_for = planned_length[row];
      if (scaled.size() != half)
        fail(ErrorKind::internal, "rope: {} frequencies, expected {}", scaled.size(), half);
    }
    const std::vector<float>& inv_freq = rope.inv_freq_for ? scaled : rope.inv_freq;
    const float factor =
        rope.attention_factor_for ? rope.attention_factor_for(planned_length[row]) : rope.attention_factor;
    for (std::size_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(positions[row]) * inv_freq[i];
      cos[row * half + i] = std::cos(angle) * factor;
      sin[row * half + i] = std::sin(angle) * factor;
    }
  }
}

}  // namespace pome::graph
